/** The client's own claims, against controllers that are functions. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { createNPanelClient, items, ok, ProblemError, Unreachable } from "../src/index.js";

interface Seen {
  url: string;
  headers: Headers;
  body: string;
}

const URLS = ["https://c1", "https://c2"] as const;

/** A client, and what its controllers were asked. Each answers as `answer` says, or not at all. */
function client(answer: (seen: Seen, count: number) => Response | undefined, total = 5_000) {
  const seen: Seen[] = [];
  const send = async (url: string | URL | Request, init: RequestInit = {}) => {
    const one = { url: String(url), headers: new Headers(init.headers), body: await new Response(init.body ?? "").text() };
    seen.push(one);
    const response = answer(one, seen.length);
    if (response === undefined) throw new TypeError("fetch failed", { cause: new Error("connection refused") });
    return response;
  };
  return { api: createNPanelClient({ urls: URLS, token: "npk_x.y", fetch: send, patience: { total, pause: 1 } }), seen };
}

function json(status: number, value: unknown, headers: Record<string, string> = {}) {
  const kind = status < 400 ? "application/json" : "application/problem+json";
  return new Response(JSON.stringify(value), { status, headers: { "content-type": kind, ...headers } });
}

function problem(status: number, code: string) {
  return json(status, { type: "/problems/x", title: "X", status, code, detail: "no", request_id: "r" }, { "retry-after": "0" });
}

const tenant = { body: { name: "acme" } };

test("a write whose answer was lost is sent again with the same key, to the next controller", async () => {
  const { api, seen } = client((_, count) => (count === 1 ? undefined : json(201, { id: "t", name: "acme" })));
  await ok(api.POST("/v1/tenants", tenant));
  assert.deepEqual(seen.map((one) => one.url), ["https://c1/v1/tenants", "https://c2/v1/tenants"]);
  assert.deepEqual(seen.map((one) => one.body), ['{"name":"acme"}', '{"name":"acme"}']);
  const keys = seen.map((one) => one.headers.get("idempotency-key"));
  assert.ok(keys[0] && keys[0] === keys[1], String(keys));
  assert.equal(seen[1]?.headers.get("authorization"), "Bearer npk_x.y");
});

test("two writes have two keys, and a read has none", async () => {
  const { api, seen } = client(() => json(200, { items: [] }));
  await api.POST("/v1/tenants", tenant);
  await api.POST("/v1/tenants", tenant);
  await api.GET("/v1/tenants");
  const keys = seen.map((one) => one.headers.get("idempotency-key"));
  assert.ok(keys[0] !== keys[1] && keys[2] === null, String(keys));
});

test("only a passing inability is tried again", async () => {
  for (const [status, code, tries] of [[503, "no_leader", 2], [429, "too_many_requests", 2], [409, "name_taken", 1]] as const) {
    const { api, seen } = client((_, count) => (count === 1 ? problem(status, code) : json(201, { id: "t" })));
    const made = ok(api.POST("/v1/tenants", tenant));
    if (tries === 1) {
      await assert.rejects(made, (error) => error instanceof ProblemError && error.problem.code === code);
    } else {
      await made;
    }
    assert.equal(seen.length, tries, code);
  }
});

test("too much to do is not carried to the next controller", async () => {
  const { api, seen } = client((_, count) => (count === 1 ? problem(503, "overloaded") : json(200, { items: [] })));
  await ok(api.GET("/v1/tenants"));
  assert.deepEqual(seen.map((one) => one.url), ["https://c1/v1/tenants", "https://c1/v1/tenants"]);
});

test("when no controller answers in time, each one's reason is said", async () => {
  const { api, seen } = client(() => undefined, 0);
  await assert.rejects(ok(api.GET("/v1/tenants")), (error) => {
    return error instanceof Unreachable && error.reasons.join() === "https://c1: connection refused,https://c2: connection refused";
  });
  assert.equal(seen.length, 2);
});

test("a list is read through all its pages, each asked for when the one before was read", async () => {
  const { api, seen } = client((one) =>
    one.url.includes("after=b") ? json(200, { items: [{ id: "c" }] }) : json(200, { items: [{ id: "a" }, { id: "b" }], next: "b" }),
  );
  const found: string[] = [];
  for await (const { id } of items((after) => api.GET("/v1/tenants", { params: { query: { limit: 2, ...after } } }))) {
    found.push(id);
    assert.equal(seen.length, id === "c" ? 2 : 1);
  }
  assert.deepEqual(found, ["a", "b", "c"]);
  assert.equal(seen[1]?.url, "https://c1/v1/tenants?limit=2&after=b");
});

test("an address without TLS is refused", () => {
  assert.throws(() => createNPanelClient({ urls: ["http://c1"] }), /https/);
});
