/** How long one goes on where the browser does not tell when it is idle, and how long it has in between. */
const TURN_MS = 4;
const PAUSE_MS = 100;

/**
 * Calls a function when there is nothing else to do.
 *
 * @param {(mayGoOn: () => boolean) => void} act asks between its steps whether there is still time
 */
export function whenIdle(act) {
  if (globalThis.requestIdleCallback) {
    requestIdleCallback((deadline) => act(() => deadline.timeRemaining() > 0));
    return;
  }
  setTimeout(() => {
    const end = performance.now() + TURN_MS;
    act(() => performance.now() < end);
  }, PAUSE_MS);
}
