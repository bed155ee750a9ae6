import { withoutThinking } from "./answer/thinking.js";

/**
 * The part of a conversation that the model sees with a new message. Nothing here needs a browser.
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
  // To spread a megabyte into an array takes too long for each key.
  return text.length - (text.match(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g)?.length ?? 0);
}

/**
 * The body of a request that keeps nothing. Its history is as many of the latest exchanges as fit, each of them whole.
 *
 * @param {{ question: string, answer: string }[]} earlier oldest first
 * @param {string} message
 * @param {import("./store.js").Settings} [settings]
 * @returns {{ body: string, since: number }} `since`: from this exchange on, nothing is left out
 */
export function requestFor(earlier, message, { model, maxTokens } = {}) {
  const request = { message, model, max_tokens: maxTokens, include_reasoning: true };
  const room = LIMITS.bodyBytes - bytesOf({ ...request, history: [] });
  const { history, since } = historyOf(earlier, room);
  const body = JSON.stringify(history.length > 0 ? { ...request, history } : request);
  return { body, since };
}

/**
 * The latest exchanges that fit, each of them whole.
 *
 * @param {{ question: string, answer: string }[]} earlier oldest first
 * @param {number} [roomBytes] what they may take as JSON
 * @returns {{ history: { role: string, content: string }[], since: number }}
 */
export function historyOf(earlier, roomBytes = Number.POSITIVE_INFINITY) {
  const room = {
    turns: LIMITS.historyTurns,
    characters: LIMITS.historyCharacters,
    bytes: roomBytes,
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
  return { history, since };
}

/** A question without an answer is left out, and so is what the model thought before it answered. */
function turnsOf({ question, answer }) {
  const content = withoutThinking(answer);
  if (content.trim() === "") return [];
  return [
    { role: "user", content: question },
    { role: "assistant", content },
  ];
}

function bytesOf(value) {
  return new TextEncoder().encode(JSON.stringify(value)).length;
}
