import createClient, { type Client } from "openapi-fetch";
import type { paths } from "./schema.js";
import { type Patience, sender } from "./sending.js";

/** Every operation of the API, by method and path: `api.POST("/v1/accounts", { body })`. */
export type Api = Client<paths>;

export interface Config {
  /** The controllers, to be tried in this order: `https://host:port`. */
  urls: readonly [string, ...string[]];
  /** An API key, a session's token or an access token. A function is asked for each request, for tokens that end. */
  token?: string | (() => string | Promise<string>);
  /** How long to go on trying while no controller can take a request. */
  patience?: Partial<Patience>;
  /** What sends a request, in place of `fetch`: such as one that trusts the cluster's CA. */
  fetch?: typeof fetch;
}

/**
 * A client. A request goes to the first controller that takes it; a write carries an idempotency key, so one whose answer
 * was lost is sent again without doing anything twice.
 */
export function createNPanelClient(config: Config): Api {
  for (const url of config.urls) {
    if (new URL(url).protocol !== "https:") throw new Error(`the API address ${url} does not begin with https://`);
  }
  const api = createClient<paths>({
    baseUrl: config.urls[0],
    fetch: sender(config.urls, config.fetch ?? fetch, config.patience ?? {}),
  });
  const { token } = config;
  if (token !== undefined) {
    api.use({
      async onRequest({ request }) {
        request.headers.set("authorization", `Bearer ${typeof token === "function" ? await token() : token}`);
        return request;
      },
    });
  }
  return api;
}
