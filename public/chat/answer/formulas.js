import { ownFrame } from "../animation-frames.js";
import { imported } from "../imported.js";
import { untilItWorks } from "../patience.js";

/**
 * Shows formulas. What draws them is loaded with the first one. They take their turns, so that many of them at once do
 * not hold up the page: a slow phone needs an animation frame to lay one out. Until then, and for ever if they are wrong,
 * their source is shown.
 */

/** Most formulas that are kept, for others with the same source. */
const KEPT = 200;

/** In one animation frame, no further formula is shown from this many elements on. */
const FRAME_FULL = 60;

/** @type {Map<string, HTMLElement | undefined>} nothing for one that is wrong */
const drawn = new Map();

/** What the formulas on the page were made of. @type {WeakMap<Node, string>} */
const sources = new WeakMap();

/** @type {Set<HTMLElement>} */
const waiting = new Set();

let isDrawing = false;

/**
 * Replaces a formula's source by the formula, soon.
 *
 * @param {HTMLElement} code
 */
export function showFormula(code) {
  waiting.add(code);
  if (!isDrawing) drawWaiting();
}

/** Whether a node shows the formula whose source another one is. @param {Node} node @param {any} code */
export function isFormulaOf(node, code) {
  return code.matches?.("code.formula") && sources.get(node) === code.textContent;
}

async function drawWaiting() {
  isDrawing = true;
  try {
    const { drawFormula } = await untilItWorks(() => imported(() => import("./formula.js")));
    for (const code of waiting) {
      // A paragraph that grows has been rendered again since.
      if (code.isConnected && (await draw(code.textContent, drawFormula))) {
        await ownFrame();
        replaceSome(code);
      }
      waiting.delete(code);
    }
  } finally {
    isDrawing = false;
  }
}

/** Shows a formula, and others that are drawn already, as many as fit in a frame. */
function replaceSome(first) {
  let size = 0;
  for (const code of [first, ...waiting]) {
    if (size >= FRAME_FULL) break;
    size += replace(code);
  }
}

/** Shows those that are drawn already, however many: nothing is coming that they would hold up. */
export function showDrawn() {
  for (const code of waiting) replace(code);
}

/** @returns {number} of how many elements the formula is; none: it is not drawn */
function replace(code) {
  const formula = code.isConnected && drawn.get(code.textContent)?.cloneNode(true);
  if (!formula) return 0;
  sources.set(formula, code.textContent);
  code.replaceWith(formula);
  waiting.delete(code);
  return formula.querySelectorAll("*").length;
}

/** @returns {Promise<HTMLElement | undefined>} nothing for a wrong one */
async function draw(source, drawFormula) {
  if (!drawn.has(source)) drawn.set(source, await untilItWorks(() => drawFormula(source)));
  if (drawn.size > KEPT) drawn.delete(drawn.keys().next().value);
  return drawn.get(source);
}
