import { Helper } from "./helper.js";
import { loadStyle } from "./lazy-style.js";

/**
 * Draws formulas. A worker finds out what they look like, for KaTeX takes long to start on a slow phone; the page only
 * makes elements of that.
 */

/** Longest time that the first formula waits for its fonts. They may come later. */
const FONTS_MS = 3_000;

/** The fonts of most formulas. One that comes when a formula is there already lays it out anew. */
const FONTS = ["1em KaTeX_Main", "italic 1em KaTeX_Math", "1em KaTeX_Size1", "1em KaTeX_Size2"];

const helper = new Helper(() => import("./formula-worker.js"));

/**
 * Draws a formula.
 *
 * @param {string} source the formula with its delimiters
 * @returns {Promise<HTMLElement | undefined>} nothing for one that is wrong, too large or takes too long
 * @throws if what draws it, or its style, cannot be loaded
 */
export async function drawFormula(source) {
  // Without it, nobody can read a formula.
  const styled = loadStyle("formula-style", loadFonts);
  const answer = await helper.ask(source);
  await styled;
  return answer?.tree && elementOf(answer.tree);
}

async function loadFonts() {
  const fonts = Promise.allSettled(FONTS.map((font) => document.fonts.load(font)));
  await Promise.race([fonts, new Promise((resolve) => setTimeout(resolve, FONTS_MS))]);
}

/** @param {import("./formula-tree.js").PlainElement | string} node */
function elementOf(node) {
  if (typeof node === "string") return document.createTextNode(node);
  const element = document.createElementNS(node.namespace, node.name);
  for (const [name, value] of Object.entries(node.attributes)) element.setAttribute(name, value);
  Object.assign(element.style, node.style);
  element.append(...node.children.map(elementOf));
  return element;
}
