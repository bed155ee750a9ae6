/**
 * Waits for something, but not for ever.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {number} ms
 * @returns {Promise<T>}
 * @throws {Error} if it takes longer
 */
export function withTimeout(promise, ms) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("It took too long.")), ms);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
