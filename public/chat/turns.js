/**
 * A conversation as a tree of exchanges, and the path through it that is shown. Nothing here needs a browser.
 *
 * @typedef {object} Turn One message, as the API gives it.
 * @property {string} id
 * @property {string | null} parent_id the turn that it follows
 * @property {"user" | "assistant"} role
 * @property {string} content
 * @property {string} [reasoning] of an answer: what the model thought
 * @property {string} created_at
 * @property {string} [answer_id] of an answer, like all below
 * @property {"complete" | "streaming" | "stopped" | "interrupted" | "failed"} [state]
 * @property {string} [model]
 * @property {string | null} [finish_reason]
 * @property {import("./answer-stream.js").Frame["usage"] | null} [usage]
 * @property {{ error: string, detail: string, code: string }} [error]
 *
 * @typedef {object} Exchange A question and its answer.
 * @property {string} answerId
 * @property {Exchange | undefined} parent what it follows
 * @property {string} question
 * @property {string} answer what has arrived so far
 * @property {string} reasoning what the model thought so far, if its server tells that apart
 * @property {"queued" | "streaming" | "done" | "stopped" | "interrupted" | "failed"} state
 * @property {import("./asks.js").SavedAsk["sent"]} [sent] what was sent beside the question, once it was
 * @property {string} [turnId] the turn of its answer, once that is kept
 * @property {string} [model]
 * @property {string} [finishReason]
 * @property {import("./answer-stream.js").Frame["usage"]} [usage]
 * @property {import("./api.js").Problem} [problem] why it failed
 * @property {number} [firstWordMs]
 * @property {import("./patience.js").Trouble} [trouble] why nothing comes while its answer is being read
 * @property {boolean} [isStopping] whether the person has stopped its answer, which has not ended yet
 * @property {string} [createdAt] when it was asked, once that is kept
 * @property {string} [edit] what the person is making of the question
 * @property {string} [parentId] the answer that it follows, as long as that is not known here
 */

/** @param {Turn[]} turns oldest first, each answer right behind its question @returns {Exchange[]} */
export function exchangesOf(turns) {
  /** @type {Map<string, Exchange>} */
  const byTurn = new Map();
  const exchanges = [];
  for (const [at, question] of turns.entries()) {
    const answer = turns[at + 1];
    if (question.role !== "user" || answer?.role !== "assistant") continue;
    const exchange = {
      answerId: answer.answer_id,
      parent: byTurn.get(question.parent_id),
      question: question.content,
      answer: answer.content,
      reasoning: answer.reasoning ?? "",
      state: answer.state === "complete" ? "done" : answer.state,
      turnId: answer.id,
      model: answer.model,
      finishReason: answer.finish_reason ?? undefined,
      usage: answer.usage ?? undefined,
      problem: answer.error,
      createdAt: question.created_at,
    };
    byTurn.set(question.id, exchange).set(answer.id, exchange);
    exchanges.push(exchange);
  }
  return exchanges;
}

/**
 * The turns of exchanges. Those of questions get ids of their own: nothing but `exchangesOf` needs them.
 *
 * @param {Exchange[]} exchanges oldest first
 * @returns {Turn[]}
 */
export function turnsOf(exchanges) {
  return exchanges.flatMap((exchange) => {
    const { answerId, turnId, parent, question, answer, state, createdAt } = exchange;
    const parent_id = turnBehind(parent);
    const id = `question of ${answerId}`;
    const asked = { id, parent_id, role: "user", content: question, created_at: createdAt };
    const answered = {
      id: turnId,
      parent_id: id,
      role: "assistant",
      content: answer,
      reasoning: exchange.reasoning || undefined,
      created_at: createdAt,
      answer_id: answerId,
      state: state === "done" ? "complete" : state,
      model: exchange.model,
      finish_reason: exchange.finishReason ?? null,
      usage: exchange.usage ?? null,
      error: exchange.problem,
    };
    return [asked, answered];
  });
}

/** From the first exchange to this one. @param {Exchange | undefined} tip @returns {Exchange[]} */
export function pathTo(tip) {
  const path = [];
  for (let exchange = tip; exchange; exchange = exchange.parent) path.push(exchange);
  return path.reverse();
}

/**
 * The newest end of the branches that an exchange is on.
 *
 * @param {Exchange[]} exchanges oldest first, but for those that nobody keeps: more may be kept behind them
 */
export function endOf(exchange, exchanges) {
  const newest = exchanges.findLast((each) => pathTo(each).includes(exchange));
  const next = exchanges.findLast(({ parent }) => parent === newest);
  return next ? endOf(next, exchanges) : newest;
}

/**
 * The other versions of an exchange. A question that was edited has other questions beside it; the same question that
 * was asked again has other answers.
 *
 * @param {Exchange} exchange
 * @param {Exchange[]} exchanges
 * @returns {{ questions: Exchange[], answers: Exchange[] }} each with the exchange itself, in the order of their age; of
 *   another question its newest answer, and no answer that ended without a word
 */
export function versionsOf(exchange, exchanges) {
  const siblings = exchanges.filter(({ parent }) => parent === exchange.parent);
  const newest = new Map(siblings.map((each) => [each.question, each]));
  newest.set(exchange.question, exchange);
  return {
    questions: [...newest.values()],
    answers: siblings.filter(
      (each) =>
        each.question === exchange.question &&
        (each === exchange || each.answer !== "" || isOpen(each)),
    ),
  };
}

/** Whether an exchange may still get an answer. @param {Exchange | undefined} exchange */
export function isOpen(exchange) {
  return exchange?.state === "streaming" || exchange?.state === "queued";
}

/** The turn that a question behind this exchange follows. An exchange that is not kept is passed over. */
export function turnBehind(exchange) {
  for (let each = exchange; each; each = each.parent) if (each.turnId) return each.turnId;
  return null;
}

/** Whether it is not known here which turn an answer is that has begun, as when its reading was given up. */
export function hasUnknownTurn(exchange) {
  return pathTo(exchange).some(({ answer, turnId }) => answer !== "" && turnId === undefined);
}

const MAX_TITLE = 80;

/** The first title of a conversation: the beginning of its first message, cut at a word. */
export function titleOf(message) {
  const line = message.replace(/[\s\p{Cc}]+/gu, " ").trim();
  const letters = [...line];
  if (letters.length <= MAX_TITLE) return line || "Untitled";
  const start = letters.slice(0, MAX_TITLE + 1).join("");
  const end = start.lastIndexOf(" ");
  return end > 0 ? start.slice(0, end) : letters.slice(0, MAX_TITLE).join("");
}
