import type { components } from "./schema.js";

/** What a controller says against a request (RFC 9457). `code` is stable, `detail` is for people. */
export type Problem = components["schemas"]["Problem"];

/** A request that was refused. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  constructor(readonly problem: Problem) {
    super(`${problem.detail} (${problem.code}, request ${problem.request_id})`);
  }
}

/** An answer as `openapi-fetch` gives it. */
interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The answer's content; throws a `ProblemError` if the request was refused. */
export async function ok<T>(answer: Answer<T> | Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await answer;
  if (error !== undefined) {
    if (isProblem(error)) throw new ProblemError(error);
    throw new Error(`the answer was not understood: status ${response.status}`);
  }
  return data as T;
}

function isProblem(value: unknown): value is Problem {
  return typeof value === "object" && value !== null && "code" in value && "detail" in value;
}
