/** Letters before and behind what was found that a snippet shows. */
const AROUND = 60;

/**
 * Finds conversations in which a message with its answer, or the title, has all words of a query or words that begin
 * so. Case and accents do not count.
 *
 * @param {string} query
 * @param {import("./server.js").Summary[]} summaries
 * @param {(id: string) => Promise<import("./server.js").KeptConversation | undefined>} get
 * @param {AbortSignal} [signal] ends it, since another search has begun
 * @returns {Promise<import("./server.js").Summary[]>} with snippets, in the same order
 */
export async function find(query, summaries, get, signal) {
  const words = wordsOf(query);
  if (words.length === 0) return [];
  const found = [];
  for (const summary of summaries) {
    signal?.throwIfAborted();
    const snippet = snippetOf(words, summary.title, (await get(summary.id))?.turns ?? []);
    if (snippet !== undefined) found.push({ ...summary, snippet });
  }
  return found;
}

/**
 * The exchanges of a conversation that have all words of a query, by the same rule.
 *
 * @param {string} query
 * @param {import("../turns.js").Exchange[]} exchanges
 */
export function findIn(query, exchanges) {
  const words = wordsOf(query);
  return exchanges.filter(({ question, answer }) => hasAll(words, textOf(question, answer)));
}

/**
 * The words of a text, as they are written, that begin with a word of a query.
 *
 * @param {string} text
 * @param {string[]} words the query's
 * @returns {Generator<{ word: string, index: number, sought: string }>}
 */
export function* foundIn(text, words) {
  for (const { 0: word, index } of text.matchAll(/[\p{L}\p{N}\p{M}]+/gu)) {
    const plain = plainOf(word);
    const sought = words.find((each) => plain.startsWith(each));
    if (sought !== undefined) yield { word, index, sought };
  }
}

/** What is searched as one text. */
export function textOf(question, answer = "") {
  return `${question}\n${answer}`;
}

function snippetOf(words, title, turns) {
  for (const [at, turn] of turns.entries()) {
    if (turn.role !== "user") continue;
    const text = textOf(turn.content, turns[at + 1]?.content);
    if (hasAll(words, text)) return around(words, text);
  }
  return hasAll(words, title) ? title : undefined;
}

function hasAll(words, text) {
  const plain = plainOf(text);
  // To split a text into its words takes far longer than this, and most texts do not have them all.
  if (!words.every((word) => plain.includes(word))) return false;
  const split = ` ${splitWords(plain).join(" ")}`;
  return words.every((word) => split.includes(` ${word}`));
}

/** The text around the first word that was found, on one line. */
function around(words, text) {
  const line = text.replace(/\s+/g, " ");
  const [first] = foundIn(line, words);
  const found = first?.index ?? 0;
  const start = beginning(line, Math.max(0, found - AROUND));
  const end = letterAt(line, Math.min(line.length, found + AROUND));
  return `${start > 0 ? "…" : ""}${line.slice(start, end).trim()}${end < line.length ? "…" : ""}`;
}

/** Where the word at a place begins, or the letter where words are endless, as without spaces between them. */
function beginning(line, at) {
  const start = line.lastIndexOf(" ", at) + 1;
  return at - start < AROUND ? start : letterAt(line, at);
}

/** Where the letter at a place begins, as people count letters: an emoji may be made of several. */
function letterAt(line, at) {
  // None is longer than this, and nothing is far from its nearest.
  const from = Math.max(0, at - AROUND);
  const letters = new Intl.Segmenter().segment(line.slice(from, at + AROUND));
  return from + (letters.containing(at - from)?.index ?? at - from);
}

/** The words of a query, without case and accents. */
export function wordsOf(text) {
  return splitWords(plainOf(text));
}

function splitWords(plain) {
  return plain.match(/[\p{L}\p{N}]+/gu) ?? [];
}

function plainOf(text) {
  return text
    .normalize("NFD")
    .replace(/\p{M}+/gu, "")
    .toLowerCase();
}
