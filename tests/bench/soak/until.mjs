import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 250;

/** Longest wait for what has to follow by itself: far above what a busy machine needs. */
const PATIENCE_MS = 20_000;

/**
 * Waits until a condition holds.
 *
 * @param {() => boolean | Promise<boolean>} condition
 * @returns {Promise<boolean>} whether it did in the end
 */
export async function until(condition) {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) {
      return false;
    }
    await sleep(POLL_MS);
  }
  return true;
}
