/**
 * A conversation, and what of it goes to the API. Nothing here knows the browser.
 *
 * @typedef {object} Exchange A question and what became of it.
 * @property {string} question
 * @property {string} answer What has come so far.
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

/** What the API takes: characters are Unicode's, bytes those of the whole body. */
export const LIMITS = {
  messageCharacters: 8000,
  historyTurns: 64,
  historyCharacters: 32_000,
  bodyBytes: 65_536,
};

/** How long a text is, counted as the API does. */
export function characters(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** @param {string} question @returns {Exchange} */
export function newExchange(question) {
  return { question, answer: "", state: "streaming" };
}

/**
 * The body of a request. Of the earlier exchanges it has as many of the latest as fit, each one whole.
 *
 * @param {Exchange[]} earlier oldest first
 * @param {string} message
 * @param {Settings} [settings]
 * @returns {{ body: string, since: number }} and the index of the earliest exchange from which on nothing was left out
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

/** A question that nothing was said to is no part of what the model should know. */
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
