import DOMPurify from "dompurify";
import { Marked } from "marked";
import { BOUNDS, BoundedLexer } from "./bounds.js";
import { CodeBlock } from "./code-block.js";
import { escapeHtml } from "./escape.js";
import { FORMULA_EXTENSIONS } from "./formula-syntax.js";
import { showFormula } from "./formulas.js";

/**
 * Turns a model's Markdown into elements. The text is untrusted: its HTML is shown as text, and nothing in it is loaded,
 * run or sent by itself.
 */

/** Harmless tags that models write in Markdown, which has no syntax for them. */
const HARMLESS_HTML = /^<\/?(?:br|kbd|mark|sub|sup|u) ?\/?>$/i;

const marked = new Marked({
  gfm: true,
  breaks: true,
  ...BOUNDS,
  extensions: FORMULA_EXTENSIONS,
  renderer: {
    html: ({ text, block }) => {
      if (HARMLESS_HTML.test(text.trim())) return text;
      return block ? `<p>${escapeHtml(text.trimEnd())}</p>` : escapeHtml(text);
    },
    image: ({ href, text }) => `<a href="${escapeHtml(href)}">${escapeHtml(text || href)}</a>`,
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    listitem({ task, tokens }) {
      return `<li${task ? ' class="task"' : ""}>${this.parser.parse(tokens)}</li>`;
    },
  },
});

const SANITIZE = {
  ALLOWED_TAGS: [
    ..."a blockquote br code del em h1 h2 h3 h4 h5 h6 hr kbd li mark ol p pre strong".split(" "),
    ..."sub sup table tbody td th thead tr u ul".split(" "),
  ],
  ALLOWED_ATTR: ["align", "class", "href", "start", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  // Their values are not URLs, so the rule for URLs does not apply.
  ADD_URI_SAFE_ATTR: ["align", "start"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

/**
 * The lengths of a text's blocks: paragraphs, lists, code blocks. Text that is appended can change only the last one.
 *
 * @param {string} text
 * @returns {number[]}
 */
export function blockLengths(text) {
  const lengths = [];
  let blank = 0;
  for (const { type, raw } of new BoundedLexer(marked.defaults).blockTokens(text, [])) {
    if (type === "space") blank += raw.length;
    else {
      lengths.push(blank + raw.length);
      blank = 0;
    }
  }
  return lengths;
}

/**
 * Renders Markdown.
 *
 * @param {string} text
 * @returns {DocumentFragment}
 */
export function renderMarkdown(text) {
  const fragment = DOMPurify.sanitize(marked.parse(text), SANITIZE);
  for (const link of fragment.querySelectorAll("a[href]")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    // Print shows the addresses of the others.
    if (link.textContent === link.getAttribute("href")) link.className = "bare";
  }
  for (const code of fragment.querySelectorAll("code.formula")) showFormula(code);
  for (const pre of fragment.querySelectorAll("pre")) frameCode(pre);
  for (const table of fragment.querySelectorAll("table")) frameTable(table);
  setDirections(fragment);
  return fragment;
}

function frameCode(pre) {
  const language = pre.firstElementChild?.className.replace(/^language-/, "") ?? "";
  const block = new CodeBlock(language);
  block.append(pre.textContent);
  block.close();
  pre.replaceWith(block.element);
}

/** Lets a table that is wider than the page scroll by itself, by keyboard too. */
function frameTable(table) {
  const box = document.createElement("div");
  box.className = "table";
  box.tabIndex = 0;
  box.role = "group";
  box.ariaLabel = "Table";
  table.replaceWith(box);
  box.append(table);
}

/** Each block reads from the side where its first word begins. What is inside follows it; code never counts. */
function setDirections(fragment) {
  for (const code of fragment.querySelectorAll("code")) code.dir = "ltr";
  for (const block of fragment.children) if (!block.dir) block.dir = "auto";
}

/**
 * What the first rendering needs is compiled while the page has nothing else to do: on a slow phone, that takes longer
 * than everything else in a frame.
 */
const EVERY_KIND = "# *a*\n\n> **b** `c`\n\n1. [d](https://e)\n   - f\n\n|g|\n|-|\n|h|\n";

globalThis.requestIdleCallback?.(() => {
  blockLengths(EVERY_KIND);
  requestIdleCallback(() => renderMarkdown(EVERY_KIND));
});
