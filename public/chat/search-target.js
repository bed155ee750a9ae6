import { nextFrame } from "./animation-frames.js";
import { findIn, foundIn, textOf, wordsOf } from "./keep/search.js";

/** Where a conversation's text is. Beside it are buttons and names. */
const TEXTS = ".question p, .answer";
const NO_TEXT = ".code-head, button";

/** What the style sheet calls the marks. */
const NAME = "found";

/** In one exchange, about so many words are marked. Nobody looks at more. */
const MOST_MARKS = 500;

/** Gives up after so many animation frames: even the longest answer is drawn by then. */
const MOST_FRAMES = 300;

/** What a reader does who wants to see something else. */
const READERS_ACTS = ["wheel", "touchmove", "pointerdown", "keydown", "click"];

/** Once nothing has grown for so long, nothing will. Screen readers may scroll without any of those acts. */
const QUIET_MS = 5_000;

/**
 * What a search has found in a conversation, as a place to go to.
 *
 * @param {string} query
 * @param {string} snippet what the list has shown of it
 * @returns {import("./page.js").Target}
 */
export function targetOf(query, snippet) {
  return (conversation, transcript) => {
    const exchange = foundBy(query, snippet, conversation);
    if (!exchange) return false;
    if (!conversation.path.includes(exchange)) conversation.choose(exchange);
    transcript.stopFollowing();
    point(transcript.viewOf(exchange).element);
    showWords(exchange, query, transcript);
    return true;
  };
}

/**
 * The exchange that the list has shown; of several that say the same, one that is shown.
 *
 * @param {string} query
 * @param {string} snippet
 * @param {{ exchanges: Exchange[], path: Exchange[] }} conversation
 * @returns {Exchange | undefined} none if only the title was found
 *
 * @typedef {import("./turns.js").Exchange} Exchange
 */
export function foundBy(query, snippet, { exchanges, path }) {
  const sought = lineOf(snippet.replace(/^…|…$/g, ""));
  const shown = exchanges.filter(({ question, answer }) =>
    lineOf(textOf(question, answer)).includes(sought),
  );
  let found = findIn(query, shown);
  if (found.length === 0) found = findIn(query, exchanges);
  return found.findLast((each) => path.includes(each)) ?? found.at(-1);
}

function lineOf(text) {
  return text.replace(/[\s\p{Cc}]+/gu, " ").trim();
}

/** Marks an exchange for a moment. Screen readers and the keyboard go on from there. @param {HTMLElement} element */
function point(element) {
  element.classList.add("found");
  element.scrollIntoView({ block: "nearest" });
  element.tabIndex = -1;
  element.focus({ preventScroll: true });
  element.addEventListener("animationend", () => element.classList.remove("found"), { once: true });
}

/** Marks the words in an exchange until the next click, and has the rarest of them in sight until the reader acts. */
async function showWords(exchange, query, transcript) {
  const view = transcript.viewOf(exchange);
  const { element } = view;
  // Lets the click that led here pass: it must not remove the marks.
  await nextFrame();
  const acts = new AbortController();
  for (const act of READERS_ACTS) {
    addEventListener(act, () => acts.abort(), { signal: acts.signal, passive: true });
  }
  for (let frame = 0; frame < MOST_FRAMES && !view.draw(); frame += 1) await nextFrame();
  if (!element.isConnected) return;
  let found = markIn(element, query);
  // Code is drawn anew with its colours, and what is folded when it is opened.
  const redrawn = new MutationObserver(() => {
    found = markIn(element, query);
  });
  if (view.isEnded) redrawn.observe(element, { childList: true, subtree: true });
  const unmark = () => {
    redrawn.disconnect();
    if (CSS.highlights?.get(NAME) === found.marks) CSS.highlights?.delete(NAME);
  };
  addEventListener("click", unmark, { once: true });
  // What the model thought is drawn when it is unfolded.
  const fold = element.querySelector(".thinking");
  if (fold && !rarest(found.places)) fold.open = true;
  if (acts.signal.aborted) return;
  // What scrolls into view above it has an estimated height at first, and gets its real one at some time.
  let quiet = 0;
  const sizes = new ResizeObserver(() => {
    clearTimeout(quiet);
    quiet = setTimeout(() => acts.abort(), QUIET_MS);
    const target = element.isConnected && rarest(found.places);
    if (!target) return;
    transcript.stopFollowing();
    reveal(target);
  });
  sizes.observe(element.parentElement);
  acts.signal.addEventListener("abort", () => sizes.disconnect());
}

/** Marks words, in browsers that can without touching the text. */
function markIn(element, query) {
  const places = placesIn(element, query);
  const marks = globalThis.Highlight && new Highlight(...places.map(({ range }) => range));
  if (marks) CSS.highlights.set(NAME, marks);
  return { places, marks };
}

/** @returns {{ range: Range, sought: string }[]} */
function placesIn(element, query) {
  const words = wordsOf(query);
  const places = [];
  for (const part of element.querySelectorAll(TEXTS)) {
    const nodes = document.createTreeWalker(part, NodeFilter.SHOW_TEXT);
    for (let node = nodes.nextNode(); node && places.length < MOST_MARKS; node = nodes.nextNode()) {
      if (node.parentElement.closest(NO_TEXT)) continue;
      for (const { word, index, sought } of foundIn(node.data, words)) {
        const range = new Range();
        range.setStart(node, index);
        range.setEnd(node, index + word.length);
        places.push({ range, sought });
      }
    }
  }
  return places;
}

/**
 * The first place of the word that is found least often. Hidden text has no rectangles, and is left out.
 *
 * @returns {Range | undefined}
 */
function rarest(places) {
  const seen = places.filter(({ range }) => range.getClientRects().length > 0);
  const countOf = (word) => seen.filter(({ sought }) => sought === word).length;
  const [rare] = [...new Set(seen.map(({ sought }) => sought))].sort(
    (a, b) => countOf(a) - countOf(b),
  );
  return seen.find(({ sought }) => sought === rare)?.range;
}

/** Has a place in sight, with something above it. @param {Range} range */
function reveal(range) {
  const scroller = document.querySelector("#scroller");
  const { top, bottom, height } = scroller.getBoundingClientRect();
  const place = range.getBoundingClientRect();
  if (place.top < top || place.bottom > bottom) scroller.scrollTop += place.top - top - height / 3;
}
