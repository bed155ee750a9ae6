import { Helper } from "./helper.js";

const helper = new Helper(() => import("./highlight-worker.js"));

/**
 * The colours of code, in the order of its text.
 *
 * @param {string} language
 * @param {string} text
 * @returns {Promise<import("./code-piece.js").Run[]>} none if they take too long or cannot be loaded
 */
export async function coloursOf(language, text) {
  try {
    const { kinds, lengths, names } = await helper.ask({ language, text });
    return Array.from(kinds, (kind, at) => ({ kind: names[kind], length: lengths[at] }));
  } catch {
    return [];
  }
}
