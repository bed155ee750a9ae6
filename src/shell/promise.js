/**
 * Tells one callback what became of a promise.
 *
 * @param {Promise<unknown>} promise
 * @param {(isFulfilled: boolean, result: unknown) => void} settle is called with its value, or with its error
 */
export function listen(promise, settle) {
  promise.then(
    (value) => settle(true, value),
    (error) => settle(false, error),
  );
}
