import { newId } from "../api.js";
import { titleOf } from "../turns.js";

/**
 * How the browser writes down what it keeps: as the API would give it.
 *
 * @typedef {import("../answer-stream.js").Frame} Frame
 * @typedef {import("../turns.js").Turn} Turn
 * @typedef {import("./server.js").Ask} Ask
 * @typedef {import("./server.js").KeptConversation} KeptConversation
 */

/** A conversation that begins with a question. @param {Ask} ask @returns {KeptConversation} */
export function emptyConversation({ conversationId: id, message }) {
  const now = new Date().toISOString();
  return { id, title: titleOf(message), created_at: now, updated_at: now, turns: [] };
}

/** A question, and its answer that is about to come. @param {Ask} ask @returns {[Turn, Turn]} */
export function newTurns({ answerId, message, after, model }) {
  const created_at = new Date().toISOString();
  const question = { id: newId(), parent_id: after, role: "user", content: message, created_at };
  const answer = {
    id: newId(),
    parent_id: question.id,
    role: "assistant",
    content: "",
    created_at,
    answer_id: answerId,
    state: "streaming",
    model,
    finish_reason: null,
    usage: null,
  };
  return [question, answer];
}

/** Writes into a turn how its answer ended. @param {Turn} turn @param {Partial<Frame>} final */
export function endTurn(turn, { finish_reason = null, usage = null, error, detail, code }) {
  const state = finish_reason === "stopped" ? "stopped" : "complete";
  Object.assign(turn, { finish_reason, usage, state: error ? "failed" : state });
  if (error) turn.error = { error, detail, code };
}

/** The final frame that says how the answer of a turn ended. @param {Turn} turn @returns {Frame} */
export function finalFrameOf({ id, state, finish_reason, usage, error }, sequence) {
  const ending = error ?? { finish_reason: finish_reason ?? state };
  return {
    content: "",
    sequence,
    is_final: true,
    ...ending,
    usage: usage ?? undefined,
    turn_id: id,
  };
}
