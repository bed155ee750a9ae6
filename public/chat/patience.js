import { ChatError } from "./api.js";

/**
 * When something is tried again that has failed, and how long that waits.
 *
 * @typedef {object} Trouble Why nothing comes at the moment. It is being tried again.
 * @property {"lost" | "busy"} kind the connection is lost; or the service takes no question for now
 * @property {string} [reason] in the service's words
 * @property {number} [until] when it is tried again, in milliseconds of the clock
 *
 * @typedef {(trouble?: Trouble) => void} OnTrouble is told `undefined` once there is none
 */

/** @type {Trouble} */
export const LOST = { kind: "lost" };

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** What another try may always mend. */
const ALWAYS_PASSING = ["no_connection", "connection_lost"];

/** What it may mend once an answer may have begun. An error in our shape with another code is the answer's end. */
const THEN_PASSING = ["invalid_answer", "rate_limited", "store_unavailable", "internal_error"];

/** What a person may want to wait for. After a longer time nobody may be there any more. */
const LONGEST_BUSY_MS = 60_000;

/** How often in a row a question that is refused for now is sent again. */
export const MOST_REFUSALS = 3;

/** Events after which the network may be there again. */
const wakes = new EventTarget();

/** Has every answer that waits for its connection try again at once. */
export function tryNow() {
  wakes.dispatchEvent(new Event("wake"));
}

/**
 * Whether the service takes no question for now, and says until when. It says so in place of an answer, so nothing was
 * bought, and the question may be sent again by itself.
 */
export function isBusy(error) {
  return (
    error instanceof ChatError && error.status === 429 && error.retryAfterMs <= LONGEST_BUSY_MS
  );
}

/** The trouble of a service that takes nothing for so long. @param {ChatError} error @returns {Trouble} */
export function busy({ problem }, ms) {
  return { kind: "busy", reason: problem.error, until: Date.now() + ms };
}

/** Waits as long as the service asks for. @param {ChatError} error @param {OnTrouble} onTrouble */
export async function waitOut(error, signal, onTrouble) {
  onTrouble(busy(error, error.retryAfterMs));
  await pause(error.retryAfterMs, signal, ["wake"]);
  onTrouble();
}

/**
 * Sends a question again while it is refused for now.
 *
 * @template T
 * @param {() => Promise<T>} act
 * @param {{ signal: AbortSignal, onTrouble?: OnTrouble }} options
 * @returns {Promise<T>}
 */
export async function retryWhileBusy(act, { signal, onTrouble = () => {} }) {
  for (let refusals = 0; ; refusals += 1) {
    try {
      return await act();
    } catch (error) {
      if (signal.aborted || !isBusy(error) || refusals === MOST_REFUSALS) throw error;
      await waitOut(error, signal, onTrouble);
    }
  }
}

/**
 * Does something, through any number of lost connections and other failures that pass.
 *
 * @template T
 * @param {() => Promise<T>} act
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export async function retryWhilePassing(act, signal) {
  for (let failures = 1; ; failures += 1) {
    try {
      return await act();
    } catch (error) {
      if (signal.aborted || !isPassing(error, true)) throw error;
      await pause(pauseMs(failures, error), signal);
    }
  }
}

/**
 * Does something that the page cannot do without, again and again until it works.
 *
 * @template T
 * @param {() => Promise<T>} act
 * @param {(failures: number) => void} [onFailure]
 * @returns {Promise<T>}
 */
export async function untilItWorks(act, onFailure = () => {}) {
  const { signal } = new AbortController();
  for (let failures = 1; ; failures += 1) {
    try {
      return await act();
    } catch {
      onFailure(failures);
      await pause(pauseMs(failures), signal);
    }
  }
}

/** Whether another try may have the answer. @param {boolean} mayHaveBegun whether an earlier try may have reached it */
export function isPassing(error, mayHaveBegun) {
  if (!(error instanceof ChatError)) return false;
  const { code } = error.problem;
  return ALWAYS_PASSING.includes(code) || (mayHaveBegun && THEN_PASSING.includes(code));
}

/**
 * Twice as long each time, and never the same for all clients of a service that comes back; or as long as the service
 * asks, unless that is longer than anybody waits.
 */
export function pauseMs(failures, { retryAfterMs } = {}) {
  if (retryAfterMs) return Math.min(LONGEST_BUSY_MS, retryAfterMs);
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
  return longest * (0.5 + Math.random() / 2);
}

/**
 * Waits, but no longer than until the network may be there again.
 *
 * @param {string[]} [events] that end it
 */
export function pause(ms, signal, events = ["wake", "online", "pageshow", "visible"]) {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const end = (act) => {
      over.abort();
      clearTimeout(timer);
      act();
    };
    const timer = setTimeout(() => end(resolve), ms);
    onWake((type) => events.includes(type) && end(resolve), over.signal);
    signal.addEventListener("abort", () => end(() => reject(signal.reason)), {
      signal: over.signal,
    });
    if (signal.aborted) end(() => reject(signal.reason));
  });
}

/** @param {(type: string) => void} act @param {AbortSignal} signal ends it */
export function onWake(act, signal) {
  wakes.addEventListener("wake", () => act("wake"), { signal });
  addEventListener("online", () => act("online"), { signal });
  addEventListener("pageshow", () => act("pageshow"), { signal });
  document.addEventListener("visibilitychange", () => document.hidden || act("visible"), {
    signal,
  });
}
