/** How long to go on trying, in milliseconds. */
export interface Patience {
  /** Altogether, while no controller takes a request: an election takes a second or two. */
  total: number;
  /** Between two rounds, if no controller says how long. */
  pause: number;
}

const PATIENCE: Patience = { total: 15_000, pause: 1_000 };
/** The longest pause that is taken at a controller's word, in milliseconds. */
const LONGEST_PAUSE = 30_000;
const READS = ["GET", "HEAD"];

/** No controller took a request in time. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";

  constructor(readonly reasons: string[]) {
    super(`no controller could be reached: ${reasons.join("; ")}`);
  }
}

/** Sends a request to one controller after the other until one takes it. */
export function sender(urls: readonly string[], send: typeof fetch, wanted: Partial<Patience>) {
  const patience = { ...PATIENCE, ...wanted };
  let preferred = 0;
  return async (request: Request): Promise<Response> => {
    // The same for every try: that makes a repetition harmless.
    if (!READS.includes(request.method) && !request.headers.has("idempotency-key")) {
      request.headers.set("idempotency-key", globalThis.crypto.randomUUID());
    }
    const body = READS.includes(request.method) ? undefined : await request.arrayBuffer();
    const path = request.url.slice(new URL(request.url).origin.length);
    const deadline = Date.now() + patience.total;
    for (;;) {
      const reasons: string[] = [];
      let refused: Response | undefined;
      for (let tried = 0; tried < urls.length; tried++) {
        const index = (preferred + tried) % urls.length;
        const { method, headers, signal } = request;
        // A redirect would take the credential elsewhere.
        const init: RequestInit = { method, headers, signal, redirect: "error", ...(body?.byteLength ? { body } : {}) };
        try {
          const response = await send(`${new URL(urls[index]!).origin}${path}`, init);
          if (response.status !== 429 && response.status !== 503) {
            preferred = index;
            return response;
          }
          refused = response;
          // There is too much to do for all of them: the next one would only be one more to say so.
          if (await isTooMuch(response)) break;
        } catch (error) {
          if (signal.aborted) throw error;
          reasons.push(`${urls[index]}: ${reason(error)}`);
        }
      }
      const pause = refused === undefined ? patience.pause : asked(refused, patience.pause);
      if (Date.now() + pause > deadline) {
        if (refused !== undefined) return refused;
        throw new Unreachable(reasons);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      request.signal.throwIfAborted();
    }
  };
}

async function isTooMuch(response: Response): Promise<boolean> {
  if (response.status === 429) return true;
  try {
    const problem = (await response.clone().json()) as { code?: unknown };
    return problem.code === "overloaded";
  } catch {
    return false;
  }
}

/** What `Retry-After` asks for, in milliseconds. */
function asked(response: Response, otherwise: number): number {
  const seconds = Number.parseInt(response.headers.get("retry-after") ?? "", 10);
  return Number.isNaN(seconds) ? otherwise : Math.min(seconds * 1_000, LONGEST_PAUSE);
}

function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
