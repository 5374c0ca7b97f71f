/** A thin, typed client of nPanel's REST API. The paths and bodies are those of the API's document. */

export { createNPanelClient, type Api, type Config } from "./client.js";
export { items } from "./paging.js";
export { ProblemError, ok, type Problem } from "./problem.js";
export { Unreachable, type Patience } from "./sending.js";
export type { components, operations, paths } from "./schema.js";
