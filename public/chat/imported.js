/**
 * What Firefox 153 says of a file that it did not get. From then on it says so without asking for it. A chunk is something
 * that the module shares with others, and stays lost until the page is reloaded.
 */
const FIREFOX = /^error loading dynamically imported module: (?!.*\/chunk-)(.*)/;

/**
 * A module, also one that could not be had when it was last asked for.
 *
 * @template T
 * @param {() => Promise<T>} load imports it
 * @returns {Promise<T>}
 */
export async function imported(load) {
  try {
    return await load();
  } catch (error) {
    const [, url] = FIREFOX.exec(error.message) ?? [];
    if (!url) throw error;
    // It asks for another address.
    return import(`${url}?${Date.now()}`);
  }
}
