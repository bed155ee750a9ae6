/** What a task waits for, besides its streams: its client's leaving, a promise, a point in time. */

import { instance } from "./instance.js";

/**
 * Tells a task when the client of its request has left (`enable_request_signal`, on since 2026-11-17). There is no
 * need to stop watching: a task that is done is told nothing.
 *
 * @param {Request} request
 * @param {number} task
 */
export function watchClient({ signal }, task) {
  const { onGone } = instance;
  if (signal.aborted) onGone(task);
  else signal.onabort = () => onGone(task);
}

/**
 * Tells a task what became of a promise.
 *
 * @param {Promise<unknown>} promise
 * @param {number} task
 * @param {number} serial of the promise
 */
export function listen(promise, task, serial) {
  const { onSettled } = instance;
  promise.then(
    (value) => onSettled(task, serial, true, value),
    (error) => onSettled(task, serial, false, error),
  );
}

/** Tells a task when so many milliseconds have passed. @returns {number} the timer */
export function startTimer(delayMs, task) {
  return setTimeout(instance.onTime, delayMs, task);
}

/** @param {number} timer */
export function stopTimer(timer) {
  clearTimeout(timer);
}
