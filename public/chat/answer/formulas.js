/**
 * Shows formulas. What draws them is loaded with the first one. They take their turns, so that many of them at once do
 * not hold up the page; until then, and for ever if they are wrong, their source is shown.
 */

/** Most formulas that are drawn in an animation frame, and for how long. */
const PER_FRAME = 2;
const BUDGET_MS = 4;

/** Most formulas that are kept. A growing paragraph is rendered again and again, with the same formulas in it. */
const KEPT = 200;

/** @type {Map<string, HTMLElement | undefined>} nothing for one that is wrong */
const drawn = new Map();

/** @type {Set<HTMLElement>} */
const waiting = new Set();

/** What draws a formula, once it is loaded. @type {typeof import("./formula.js").drawFormula | undefined} */
let draw;

/** How many more may be drawn in this frame, and until when. */
let left = 0;
let deadline = 0;
let isTurnAsked = false;

/**
 * Replaces a formula's source by the formula, now or soon.
 *
 * @param {HTMLElement} code
 */
export function showFormula(code) {
  if (drawn.has(code.textContent) || mayDraw()) replace(code);
  else waiting.add(code);
  if (waiting.size > 0) askForTurn();
}

function mayDraw() {
  return left > 0 && performance.now() < deadline;
}

function replace(code) {
  const source = code.textContent;
  if (!drawn.has(source)) {
    left -= 1;
    drawn.set(source, draw(source));
  }
  const formula = drawn.get(source);
  if (formula) code.replaceWith(formula.cloneNode(true));
  if (drawn.size > KEPT) drawn.delete(drawn.keys().next().value);
}

async function askForTurn() {
  if (isTurnAsked) return;
  isTurnAsked = true;
  await load();
  requestAnimationFrame(takeTurn);
}

function takeTurn() {
  isTurnAsked = false;
  left = draw ? PER_FRAME : 0;
  deadline = performance.now() + BUDGET_MS;
  for (const code of waiting) {
    if (!mayDraw()) break;
    waiting.delete(code);
    // A paragraph that grows has been rendered again since.
    if (code.isConnected) replace(code);
  }
  if (draw && waiting.size > 0) askForTurn();
}

/** Without a connection, formulas stay as they are until the next one is shown. */
async function load() {
  try {
    draw ??= (await import("./formula.js")).drawFormula;
  } catch {}
}
