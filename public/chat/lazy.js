import { ChatError, NO_CONNECTION, newId } from "./api.js";
import { imported } from "./imported.js";
import { withTimeout } from "./timeout.js";

/** How long a file may take that somebody waits for. */
const LOADING_MS = 10_000;

/**
 * Waits for a part of the page that is loaded when it is needed, but not for ever: a file may hang without failing.
 *
 * @template T
 * @param {() => Promise<T>} load imports it
 * @returns {Promise<T>}
 * @throws {ChatError}
 */
export function loadPart(load) {
  return withTimeout(imported(load), LOADING_MS).catch(() => {
    throw new ChatError(NO_CONNECTION, newId());
  });
}
