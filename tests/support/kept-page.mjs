/** The page of a server that keeps conversations, as `npm run serve` runs it. */
import { assistantWithPages } from "../../scripts/lib/assistant.mjs";
import { PUBLIC } from "../../scripts/lib/pages.mjs";
import { startKept } from "./kept.mjs";

/**
 * Starts the server; a test may kill it and start it again.
 *
 * @param {{ url: string }} upstream
 * @param {Record<string, string>} [variables]
 */
export function startKeptPage(upstream, variables) {
  return startKept(
    {
      OPENAI_BASE_URL: upstream.url,
      OPENAI_MODEL: "house",
      ANONYMOUS_OWNER: "true",
      HEARTBEAT_SECONDS: "0.3",
      MAX_RETRIES: "0",
      ...variables,
    },
    { worker: assistantWithPages(PUBLIC) },
  );
}
