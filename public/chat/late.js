import { ChatError, NO_CONNECTION, newId } from "./api.js";

/** How long a file may take that somebody waits for. */
const LOADING_MS = 10_000;

/**
 * Waits for a part of the page that is loaded when it is needed, but not for ever: a file may hang without failing.
 *
 * @template T
 * @param {Promise<T>} part
 * @param {number} [ms]
 * @returns {Promise<T>}
 * @throws {ChatError}
 */
export function inTime(part, ms = LOADING_MS) {
  return new Promise((resolve, reject) => {
    const fail = () => reject(new ChatError(NO_CONNECTION, newId()));
    part.then(resolve, fail);
    setTimeout(fail, ms);
  });
}
