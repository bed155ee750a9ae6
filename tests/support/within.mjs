/** Longest wait for anything that a test waits for: far above what any of it takes on a busy machine. */
const PATIENCE_MS = 20_000;

/**
 * Bounds a wait, so that a test which waits in vain says for what.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {string | (() => string)} awaited What is waited for; a function is asked when the time is over.
 * @returns {Promise<T>}
 */
export async function within(promise, awaited, patienceMs = PATIENCE_MS) {
  const { promise: expired, reject } = Promise.withResolvers();
  const timer = setTimeout(() => {
    const words = typeof awaited === "function" ? awaited() : awaited;
    reject(new Error(`Waited ${patienceMs} ms in vain for ${words}`));
  }, patienceMs);
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}
