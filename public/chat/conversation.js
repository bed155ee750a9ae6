/**
 * A conversation, and the part of it that a request carries. Nothing here needs a browser.
 *
 * @typedef {object} Exchange A question and its answer.
 * @property {string} question
 * @property {string} answer What has arrived so far.
 * @property {"streaming" | "done" | "stopped" | "failed" | "interrupted"} state
 * @property {import("./api.js").Problem} [problem] Why it failed.
 * @property {string} [finishReason]
 * @property {{ input_tokens: number, output_tokens: number }} [usage]
 * @property {number} [firstTokenMs]
 *
 * @typedef {object} Settings
 * @property {string} [model]
 * @property {number} [maxTokens]
 */

/** The API's limits. Characters are Unicode scalar values; bytes are those of the whole body. */
export const LIMITS = {
  messageCharacters: 8000,
  historyTurns: 64,
  historyCharacters: 32_000,
  bodyBytes: 65_536,
};

/** The length of a text as the API counts it. */
export function characters(text) {
  return [...text].length;
}

/** @param {string} question @returns {Exchange} every field is set, so that it can overwrite an earlier try */
export function newExchange(question) {
  return {
    question,
    answer: "",
    state: "streaming",
    problem: undefined,
    finishReason: undefined,
    usage: undefined,
    firstTokenMs: undefined,
  };
}

/**
 * The body of a request. Its history is as many of the latest exchanges as fit, each of them whole.
 *
 * @param {Exchange[]} earlier oldest first
 * @param {string} message
 * @param {Settings} [settings]
 * @returns {{ body: string, since: number }} `since`: from this exchange on, nothing is left out
 */
export function requestFor(earlier, message, { model, maxTokens } = {}) {
  const request = { message, model, max_tokens: maxTokens };
  const room = {
    turns: LIMITS.historyTurns,
    characters: LIMITS.historyCharacters,
    bytes: LIMITS.bodyBytes - bytesOf({ ...request, history: [] }),
  };
  /** @type {{ role: string, content: string }[]} */
  const history = [];
  let since = earlier.length;
  for (const exchange of earlier.toReversed()) {
    const turns = turnsOf(exchange);
    room.turns -= turns.length;
    for (const turn of turns) {
      room.characters -= characters(turn.content);
      room.bytes -= bytesOf(turn) + 1;
    }
    if (Math.min(room.turns, room.characters, room.bytes) < 0) break;
    history.unshift(...turns);
    since -= 1;
  }
  const body = JSON.stringify(history.length > 0 ? { ...request, history } : request);
  return { body, since };
}

/** A question without an answer is left out. */
function turnsOf({ question, answer }) {
  if (answer.trim() === "") return [];
  return [
    { role: "user", content: question },
    { role: "assistant", content: answer },
  ];
}

function bytesOf(value) {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
