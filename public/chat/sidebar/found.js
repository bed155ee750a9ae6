const WORD = /[\p{L}\p{N}\p{M}]+/gu;

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
  for (const { word, index } of foundIn(text, query)) {
    if (index > end) pieces.push({ text: text.slice(end, index), isFound: false });
    pieces.push({ text: word, isFound: true });
    end = index + word.length;
  }
  if (end < text.length) pieces.push({ text: text.slice(end), isFound: false });
  return pieces;
}

/**
 * The words of a text that begin with a word of the query.
 *
 * @param {string} text
 * @param {string} query
 * @returns {{ word: string, index: number, sought: string }[]}
 */
export function foundIn(text, query) {
  const all = wordsOf(query).map(({ folded }) => folded);
  return wordsOf(text).flatMap(({ word, folded, index }) => {
    const sought = all.find((each) => folded.startsWith(each));
    return sought === undefined ? [] : { word, index, sought };
  });
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

function wordsOf(text) {
  return Array.from(text.matchAll(WORD), ({ 0: word, index }) => ({
    word,
    index,
    folded: fold(word),
  })).filter(({ folded }) => folded !== "");
}

function fold(word) {
  return word.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}
