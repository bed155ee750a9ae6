import { STOPS } from "./asks.js";
import { retryWhilePassing } from "./patience.js";
import { load, save } from "./store.js";

/** How long a question that its stop has overtaken may take to arrive. */
const RACE_MS = 1000;

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
  await tryToStop(answerId, stop, signal);
}

/** Stops what an earlier page could not stop any more. @param {() => Promise<import("./keep/choose.js").Keeper>} keeper */
export function resumeStops(keeper) {
  for (const answerId of others()) {
    const stop = async () => (await keeper()).stop(answerId);
    tryToStop(answerId, stop, new AbortController().signal).catch(() => {});
  }
}

/** Stops an answer no more, since it is asked for again. @param {string} answerId */
export function forgetStop(answerId) {
  const left = others(answerId);
  save(STOPS, left.length > 0 ? left : undefined);
}

/** @param {boolean} [isLast] whether an answer that does not run is not looked for again */
async function tryToStop(answerId, stop, signal, isLast = false) {
  const act = async () => others().includes(answerId) && stop();
  try {
    await retryWhilePassing(act, signal);
    forgetStop(answerId);
  } catch (error) {
    // Without the access token, it is tried again once there is one.
    if (error.status !== 401) {
      const again = () => tryToStop(answerId, stop, new AbortController().signal, true);
      if (isLast) forgetStop(answerId);
      else setTimeout(() => again().catch(() => {}), RACE_MS);
    }
    throw error;
  }
}

/** @param {string} [answerId] @returns {string[]} */
function others(answerId) {
  return (load(STOPS) ?? []).filter((each) => each !== answerId);
}
