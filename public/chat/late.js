/**
 * Waits for something, but not for ever: a file may hang without failing.
 *
 * @template T
 * @param {Promise<T>} coming
 * @param {number} ms
 * @returns {Promise<T>}
 */
export function inTime(coming, ms) {
  return new Promise((resolve, reject) => {
    coming.then(resolve, reject);
    setTimeout(() => reject(new Error("It has not come in time")), ms);
  });
}
