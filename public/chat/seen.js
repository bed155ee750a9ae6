import { historyOf, requestFor } from "./history.js";
import { isKeptHere } from "./keep/choose.js";
import { loadSettings } from "./store.js";

/**
 * From which exchange on the model sees a conversation: what it cannot see is too long ago.
 *
 * @param {import("./turns.js").Exchange[]} path
 */
export function seenSince(path) {
  const earlier = path.slice(0, -1);
  if (!isKeptHere()) return historyOf(earlier).since;
  return requestFor(earlier, path.at(-1)?.question ?? "", loadSettings()).since;
}
