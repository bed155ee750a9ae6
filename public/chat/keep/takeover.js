import { newId } from "../api.js";
import { forgetInTab, loadFromTab } from "../store.js";
import { titleOf } from "../turns.js";

/** Where earlier versions of the page kept their one conversation. */
const KEY = "conversation";

/**
 * Takes over the conversation that an earlier version of the page has left in this tab.
 *
 * @param {import("./browser.js").BrowserKeeper} keeper keeps it
 * @returns {Promise<string | undefined>} its id, if there was one
 */
export async function takeOver(keeper) {
  const exchanges = loadFromTab(KEY);
  if (!Array.isArray(exchanges) || exchanges.length === 0) return undefined;
  const id = newId();
  const now = new Date().toISOString();
  const turns = [];
  for (const exchange of exchanges) turns.push(...turnsOf(exchange, turns.at(-1)?.id ?? null, now));
  const title = titleOf(`${exchanges[0].question}`);
  const isKept = await keeper.take({ id, title, created_at: now, updated_at: now, turns });
  if (isKept) forgetInTab(KEY);
  return id;
}

/** @returns {import("../turns.js").Turn[]} */
function turnsOf({ question, answer, state, finishReason, usage, problem }, parent_id, created_at) {
  const asked = { id: newId(), parent_id, role: "user", content: `${question}`, created_at };
  const answered = {
    id: newId(),
    parent_id: asked.id,
    role: "assistant",
    content: `${answer ?? ""}`,
    created_at,
    answer_id: newId(),
    state: { done: "complete", stopped: "stopped", failed: "failed" }[state] ?? "interrupted",
    finish_reason: finishReason ?? null,
    usage: usage ?? null,
  };
  if (problem) answered.error = problem;
  return [asked, answered];
}
