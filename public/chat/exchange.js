import { ChatError, newId } from "./api.js";

/**
 * One question with its answer, as the page holds it.
 *
 * @typedef {import("./turns.js").Exchange} Exchange
 */

/** It has every field that a try sets, so that it can overwrite an earlier one. @returns {Exchange} */
export function newExchange(question, parent, answerId = newId()) {
  return {
    answerId,
    parent,
    question,
    answer: "",
    reasoning: "",
    state: "streaming",
    turnId: undefined,
    sent: undefined,
    model: undefined,
    finishReason: undefined,
    usage: undefined,
    problem: undefined,
    firstWordMs: undefined,
    trouble: undefined,
    isStopping: false,
  };
}

/**
 * The id of the answer to ask for in the place of one. It is derived from the old id, so that tabs and devices that ask
 * again at once ask for the same answer.
 *
 * @param {string} answerId
 */
export function idAfter(answerId) {
  const next = answerId.replace(/(?<=^.{24})[0-9a-f]{12}$/, (end) =>
    ((Number(`0x${end}`) + 1) % 2 ** 48).toString(16).padStart(12, "0"),
  );
  // An id that another client chose need not be a UUID.
  return next === answerId ? newId() : next;
}

/** @param {Exchange} exchange @param {import("./answer-stream.js").Frame} frame the final one */
export function endExchange(
  exchange,
  { finish_reason, usage, model, turn_id, error, detail, code, correlation_id },
) {
  const state = ["stopped", "interrupted"].includes(finish_reason) ? finish_reason : "done";
  const failed = code === "interrupted" ? "interrupted" : "failed";
  Object.assign(exchange, {
    finishReason: finish_reason,
    usage,
    // Another one may have answered than the one that was asked for.
    model: model ?? exchange.model,
    turnId: turn_id ?? exchange.turnId,
  });
  exchange.state = error ? failed : state;
  exchange.problem = error ? { error, detail, code, correlationId: correlation_id } : undefined;
}

/** What went wrong, in words for the person. @returns {import("./api.js").Problem} */
export function problemOf(error) {
  if (error instanceof ChatError) return error.problem;
  console.error(error);
  return {
    error: "Something went wrong on this page",
    detail: "Reload it and try again.",
    code: "page_error",
  };
}
