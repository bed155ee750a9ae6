import DOMPurify from "dompurify";
import { Marked } from "marked";
import { BOUNDS, BoundedLexer } from "./bounds.js";
import { copyOnClick } from "./copy.js";

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
  }
  for (const table of fragment.querySelectorAll("table")) frame(table, "table");
  for (const pre of fragment.querySelectorAll("pre")) frameCode(pre);
  return fragment;
}

/** Wraps an element that may be wider than the page, so that it scrolls by itself, by keyboard too. */
function frame(element, name) {
  const box = document.createElement("div");
  box.className = name;
  box.tabIndex = 0;
  element.replaceWith(box);
  box.append(element);
}

function frameCode(pre) {
  const code = pre.querySelector("code") ?? pre;
  const { content } = document.querySelector("#code-block");
  const box = document.importNode(content, true).firstElementChild;
  box.querySelector("span").textContent = code.className.replace(/^language-/, "");
  copyOnClick(box.querySelector("button"), () => code.textContent);
  pre.replaceWith(box);
  pre.tabIndex = 0;
  box.append(pre);
}

function escapeHtml(text) {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
