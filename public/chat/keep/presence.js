import { openChannel } from "../channel.js";

/** How the names of the locks begin. */
const LOCK = "answer ";

/**
 * What the tabs of this browser tell each other of answers that one of them is getting. A lock tells who is getting one,
 * because it is released whichever way a tab ends. Without https, or where a browser may store nothing, there are no locks,
 * and then no tab knows of another.
 */
export class Presence {
  #channel = openChannel("answers");
  /** Of the answers that this tab is getting. @type {Map<string, { abort: AbortController, release: () => void }>} */
  #own = new Map();

  constructor() {
    this.#channel?.addEventListener("message", ({ data }) => {
      if (data.stop) this.#own.get(data.stop)?.abort.abort();
    });
  }

  /**
   * This tab begins to get an answer, unless another one is getting it.
   *
   * @param {string} answerId
   * @param {AbortSignal} signal stops it, too
   * @returns {Promise<AbortSignal | undefined>} is aborted when the answer is to stop
   */
  async enter(answerId, signal) {
    const { promise, resolve } = withResolvers();
    const isFree = await new Promise((entered) => {
      if (!navigator.locks) return entered(true);
      const entering = navigator.locks.request(nameOf(answerId), { ifAvailable: true }, (lock) => {
        entered(lock !== null);
        return lock && promise;
      });
      entering.catch(() => entered(true));
    });
    if (!isFree) return undefined;
    const abort = new AbortController();
    if (signal.aborted) abort.abort();
    signal.addEventListener("abort", () => abort.abort());
    this.#own.set(answerId, { abort, release: resolve });
    return abort.signal;
  }

  /** The answer has ended. */
  leave(answerId) {
    this.#own.get(answerId)?.release();
    this.#own.delete(answerId);
    this.tell(answerId);
  }

  /** Whether some tab is getting an answer. */
  async has(answerId) {
    return this.#own.has(answerId) || (await this.all()).has(answerId);
  }

  /** The answers that some tab is getting. @returns {Promise<Set<string>>} */
  async all() {
    const { held = [] } = (await navigator.locks?.query().catch(() => {})) ?? {};
    const names = held.filter(({ name }) => name.startsWith(LOCK));
    return new Set([...this.#own.keys(), ...names.map(({ name }) => name.slice(LOCK.length))]);
  }

  /** Stops an answer in whichever tab is getting it. */
  stop(answerId) {
    this.#own.get(answerId)?.abort.abort();
    this.#channel?.postMessage({ stop: answerId });
  }

  /** Tells the other tabs that an answer has come further. */
  tell(answerId) {
    this.#channel?.postMessage({ grown: answerId });
  }

  /** Resolves when an answer has come further, or after some time. */
  heard(answerId, ms, signal) {
    return new Promise((resolve, reject) => {
      const over = new AbortController();
      const end = (act) => {
        over.abort();
        clearTimeout(timer);
        act();
      };
      const timer = setTimeout(() => end(resolve), ms);
      const onMessage = ({ data }) => data.grown === answerId && end(resolve);
      this.#channel?.addEventListener("message", onMessage, { signal: over.signal });
      signal.addEventListener("abort", () => end(() => reject(signal.reason)), {
        signal: over.signal,
      });
    });
  }
}

function nameOf(answerId) {
  return LOCK + answerId;
}

/** `Promise.withResolvers` is newer than some browsers. */
function withResolvers() {
  let resolve;
  const promise = new Promise((it) => {
    resolve = it;
  });
  return { promise, resolve };
}
