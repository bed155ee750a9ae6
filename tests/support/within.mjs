/** The longest wait in a test: far more than anything takes on a busy machine. */
const PATIENCE_MS = 20_000;

/**
 * Bounds a wait, so that a test that waits in vain says what for.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {string | (() => string)} awaited What is waited for; a function is called when the time is up.
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
