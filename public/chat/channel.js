/**
 * What the tabs of this browser tell each other.
 *
 * @param {string} name of what it is about
 * @returns {BroadcastChannel | undefined} nothing where a browser that may store nothing has none: no tab hears of another
 */
export function openChannel(name) {
  try {
    return new BroadcastChannel(name);
  } catch {
    return undefined;
  }
}
