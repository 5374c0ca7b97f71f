/** What a program of a hosting company may do. It is type-checked, not run. */

import { type components, createNPanelClient, items, ok, ProblemError } from "./src/index.js";

type Account = components["schemas"]["Account"];

const urls = ["https://c1.example.net:8443", "https://c2.example.net:8443"] as const;

/** Signs in with a password, and a code where there is a second factor. */
export async function signIn(login: string, password: string, code?: string) {
  const visitor = createNPanelClient({ urls });
  const session = await ok(
    visitor.POST("/v1/sessions", { body: { login, password, ...(code === undefined ? {} : { code }) } }),
  );
  if (!session.token) throw new Error("the controller gave no token");
  return createNPanelClient({ urls, token: session.token });
}

/** Makes an account with a domain, and says whether the name was still to be had. */
export async function host(api: ReturnType<typeof createNPanelClient>, tenant_id: string, plan_id: string) {
  try {
    const account = await ok(
      api.POST("/v1/accounts", {
        params: { query: { wait: "converged", timeout: 60 } },
        body: { tenant_id, plan_id, username: "bakery" },
      }),
    );
    if (!("username" in account)) throw new Error("this was no dry run");
    await ok(
      api.POST("/v1/domains", { body: { account_id: account.id, name: "bakery.example" } }),
    );
    return account.id;
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === "name_taken") return undefined;
    throw error;
  }
}

/** All accounts that are suspended, page by page. */
export async function suspended(api: ReturnType<typeof createNPanelClient>): Promise<Account[]> {
  const found: Account[] = [];
  const query = { suspended: true, limit: 200 };
  for await (const account of items((after) => api.GET("/v1/accounts", { params: { query: { ...query, ...after } } }))) {
    found.push(account);
  }
  return found;
}

/** Ends all of one's sessions. */
export async function signOutEverywhere(api: ReturnType<typeof createNPanelClient>) {
  for await (const { id } of items((after) => api.GET("/v1/sessions", { params: { query: { alive: true, ...after } } }))) {
    await ok(api.DELETE("/v1/sessions/{id}", { params: { path: { id } } }));
  }
}

/** What the types refuse; each line must be an error, or the check fails. */
export async function refused(api: ReturnType<typeof createNPanelClient>) {
  // @ts-expect-error: there is no such path.
  await api.GET("/v1/nothing");
  // @ts-expect-error: a plan is missing.
  await api.POST("/v1/accounts", { body: { tenant_id: "t", username: "bakery" } });
  // @ts-expect-error: an id is missing.
  await api.GET("/v1/accounts/{id}");
  // @ts-expect-error: there is no such filter.
  await api.GET("/v1/accounts", { params: { query: { colour: "red" } } });
}
