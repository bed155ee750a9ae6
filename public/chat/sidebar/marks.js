import { foundIn, wordsOf } from "../keep/search.js";

/**
 * A text in pieces: words that begin with a word of the query, and what lies between them. Case and accents do not
 * count, as in the search itself.
 *
 * @param {string} text
 * @param {string} query
 * @returns {{ text: string, isFound: boolean }[]}
 */
export function piecesOf(text, query) {
  const pieces = [];
  let end = 0;
  for (const { word, index } of foundIn(text, wordsOf(query))) {
    if (index > end) pieces.push({ text: text.slice(end, index), isFound: false });
    pieces.push({ text: word, isFound: true });
    end = index + word.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), isFound: false });
  return pieces;
}

/**
 * Shows a text with the words marked that a search found. A text from outside is only ever a text node.
 *
 * @param {HTMLElement} element
 * @param {string} text
 * @param {string} [query]
 */
export function showFound(element, text, query = "") {
  if (query === "") {
    element.textContent = text;
    return;
  }
  const nodes = piecesOf(text, query).map(({ text, isFound }) => {
    if (!isFound) return text;
    const mark = document.createElement("mark");
    mark.textContent = text;
    return mark;
  });
  element.replaceChildren(...nodes);
}
