import { ok } from "./problem.js";

/** A page of a list. */
interface Page<Item> {
  items: Item[];
  next?: string | null;
}

/** What a request for a page answers. */
type Asked<Item> = Promise<{ data?: Page<Item>; error?: unknown; response: Response }>;

/**
 * All items of a list, one after the other. A page is asked for when what was there before it has been read.
 *
 *     for await (const account of items((after) => api.GET("/v1/accounts", { params: { query: { ...after } } })))
 */
export async function* items<Item>(ask: (after: { after?: string }) => Asked<Item>): AsyncGenerator<Item, void, void> {
  let after: { after?: string } = {};
  for (;;) {
    const page = await ok<Page<Item>>(ask(after));
    yield* page.items;
    if (page.next === undefined || page.next === null) return;
    after = { after: page.next };
  }
}
