import { retryWhilePassing } from "./patience.js";
import { load, save } from "./store.js";

/** Under this name are the answers that a person has stopped and the service may not know of yet. */
const STOPS = "stops";

/**
 * Stops an answer, through any number of lost connections. Should the page be left meanwhile, the next one does it.
 *
 * @param {string} answerId
 * @param {() => Promise<void>} stop
 * @param {AbortSignal} signal ends the trying
 * @throws {import("./api.js").ChatError} when it cannot be stopped
 */
export async function carryOut(answerId, stop, signal) {
  save(STOPS, [...others(answerId), answerId]);
  try {
    await retryWhilePassing(stop, signal);
  } finally {
    const left = others(answerId);
    save(STOPS, left.length > 0 ? left : undefined);
  }
}

/** Stops what an earlier page could not stop any more. @param {() => Promise<import("./keep/choose.js").Keeper>} keeper */
export function resumeStops(keeper) {
  for (const answerId of others()) {
    const stop = async () => (await keeper()).stop(answerId);
    carryOut(answerId, stop, new AbortController().signal).catch(() => {});
  }
}

/** @param {string} [answerId] @returns {string[]} */
function others(answerId) {
  return (load(STOPS) ?? []).filter((each) => each !== answerId);
}
