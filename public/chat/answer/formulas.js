import { ownFrame } from "../animation-frames.js";

/**
 * Shows formulas. What draws them is loaded with the first one. They take their turns, one in an animation frame, so that
 * many of them at once do not hold up the page: a slow phone needs a frame to lay one out. Until then, and for ever if
 * they are wrong, their source is shown.
 */

/** Most formulas that are kept. A growing paragraph is rendered again and again, with the same formulas in it. */
const KEPT = 200;

/** @type {Map<string, HTMLElement | undefined>} nothing for one that is wrong */
const drawn = new Map();

/** @type {Set<HTMLElement>} */
const waiting = new Set();

let isDrawing = false;

/**
 * Replaces a formula's source by the formula, now or soon.
 *
 * @param {HTMLElement} code
 */
export function showFormula(code) {
  if (drawn.has(code.textContent)) replace(code);
  else {
    waiting.add(code);
    if (!isDrawing) drawWaiting();
  }
}

function replace(code) {
  const formula = drawn.get(code.textContent);
  if (formula) code.replaceWith(formula.cloneNode(true));
}

async function drawWaiting() {
  isDrawing = true;
  try {
    const { drawFormula } = await import("./formula.js");
    for (const code of waiting) {
      // A paragraph that grows has been rendered again since.
      if (code.isConnected) {
        await draw(code.textContent, drawFormula);
        await ownFrame();
        replace(code);
      }
      waiting.delete(code);
    }
  } catch {
    // Without a connection, formulas stay as they are until the next one is shown.
  } finally {
    isDrawing = false;
  }
}

async function draw(source, drawFormula) {
  if (drawn.has(source)) return;
  drawn.set(source, await drawFormula(source));
  if (drawn.size > KEPT) drawn.delete(drawn.keys().next().value);
}
