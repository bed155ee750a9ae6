import { framesIn } from "../answer-stream.js";
import { ChatError, MODEL_PATIENCE_MS, newId } from "../api.js";
import { requestFor } from "../history.js";
import { retryWhileBusy } from "../patience.js";
import { exchangesOf, pathTo } from "../turns.js";
import { markdownOf } from "./markdown.js";
import { Presence } from "./presence.js";
import { emptyConversation, endTurn, finalFrameOf, newTurns } from "./records.js";
import { Saving } from "./saving.js";
import { find } from "./search.js";
import { Shelf } from "./shelf.js";
import { Trouble } from "./trouble.js";

/** How often another tab's answer is looked at, should its messages not come. */
const LOOK_MS = 1000;

const NOT_FOUND = {
  error: "Not found",
  detail: "There is no such conversation in this browser.",
  code: "not_found",
};

const UNANSWERED = {
  error: "There is no answer",
  detail: "The question was asked in another tab, and failed there. Try again.",
  code: "unanswered",
};

/**
 * Conversations that this browser keeps, for a service that keeps none. The interface is that of `ServerKeeper`, but an
 * answer lasts only as long as the tab that asked for it.
 */
export class BrowserKeeper {
  /** @type {"browser"} */
  kind = "browser";
  #api;
  #trouble = new Trouble();
  #shelf = new Shelf((error) => this.#trouble.set(error));
  #presence = new Presence();
  /** Conversations by the ids of their answers. @type {Map<string, string>} */
  #places = new Map();
  /** @type {Map<string, Promise<import("./server.js").KeptConversation>>} */
  #opening = new Map();

  /** @param {import("../api.js").Api} api */
  constructor(api) {
    this.#api = api;
  }

  /** Has somebody told when nothing can be kept any more, and when it can again. @param {(trouble: string) => void} act */
  onTrouble(act) {
    this.#trouble.tellTo(act);
  }

  async list({ q = "", before, limit = 30, signal = undefined } = {}) {
    const all = await this.#shelf.summaries();
    const found = q === "" ? all : await find(q, all, (id) => this.#shelf.get(id), signal);
    const rest = before === undefined ? found : found.filter((each) => each.updated_at < before);
    const conversations = rest.slice(0, limit);
    const next = rest.length > limit ? conversations.at(-1).updated_at : null;
    return { conversations, next };
  }

  /** Whoever opens one at the same time gets the same, so that what is left of an answer is taken in once. */
  open(id) {
    const opening = this.#opening.get(id) ?? this.#open(id);
    this.#opening.set(id, opening);
    return opening.finally(() => this.#opening.delete(id));
  }

  async #open(id) {
    // Asked before, too: an answer that ends in between is not taken for one that was left.
    const coming = await this.#presence.all();
    const conversation = await this.#shelf.get(id);
    if (!conversation) throw new ChatError(NOT_FOUND, newId(), { status: 404 });
    const answers = conversation.turns.filter(({ role }) => role === "assistant");
    const changed = [];
    for (const turn of answers) {
      this.#places.set(turn.answer_id, id);
      // Of an answer that was interrupted, the last words may be written after its page was left.
      if (!isOpen(turn)) continue;
      const partial = await this.#shelf.partial(turn.answer_id);
      Object.assign(turn, partial);
      if (coming.has(turn.answer_id) || (await this.#presence.has(turn.answer_id))) continue;
      // The tab that asked is gone, and the answer with it.
      if (partial !== undefined || turn.state === "streaming") changed.push(turn);
      turn.state = "interrupted";
    }
    if (changed.length > 0) await this.#write(id, changed);
    for (const { answer_id } of changed) await this.#shelf.removePartial(answer_id);
    return conversation;
  }

  async rename(id, title) {
    const updated_at = new Date().toISOString();
    await this.open(id);
    await this.#shelf.update(id, (it) => it && { ...it, title, updated_at });
  }

  async remove(id) {
    const conversation = await this.#shelf.get(id);
    for (const { answer_id, state } of conversation?.turns ?? []) {
      if (state === "streaming") this.#presence.stop(answer_id);
    }
    await this.#shelf.remove(id);
  }

  /** What is kept here is at hand offline. */
  async copy() {}

  async markdown(id) {
    return markdownOf(await this.open(id));
  }

  async exportAll() {
    const ids = (await this.#shelf.summaries()).map(({ id }) => id);
    const lines = await Promise.all(ids.map(async (id) => JSON.stringify(await this.open(id))));
    return new Blob(
      lines.map((line) => `${line}\n`),
      { type: "application/jsonl" },
    );
  }

  async removeAll() {
    await this.#shelf.clear();
  }

  /**
   * Keeps a conversation of somewhere else.
   *
   * @param {import("./server.js").KeptConversation} conversation
   * @returns {Promise<boolean>} whether it outlives the page
   */
  take(conversation) {
    return this.#shelf.put(conversation);
  }

  async has(id) {
    return (await this.#shelf.get(id)) !== undefined;
  }

  /** Whether an answer is known to be in one of these conversations. */
  knows(answerId) {
    return this.#places.has(answerId);
  }

  /** @param {import("./server.js").Ask} ask @param {{ signal: AbortSignal, onTrouble?: import("../patience.js").OnTrouble, isUnwanted?: () => boolean }} options */
  async *ask(ask, { signal, onTrouble, isUnwanted }) {
    const { answerId, conversationId } = ask;
    this.#places.set(answerId, conversationId);
    const stopped = await this.#presence.enter(answerId, signal);
    // It may have been stopped before anybody could be told.
    if (isUnwanted?.()) this.#presence.stop(answerId);
    if (stopped) {
      try {
        if (!(await this.#isAsked(ask))) return yield* this.#get(ask, stopped, onTrouble);
      } finally {
        this.#presence.leave(answerId);
      }
    }
    // Another tab has asked the same, and there is one answer to both.
    while (!(await this.#isAsked(ask)) && (await this.#presence.has(answerId))) {
      await this.#presence.heard(answerId, LOOK_MS, signal);
    }
    if (!(await this.#isAsked(ask))) throw new ChatError(UNANSWERED, newId());
    yield* this.read(answerId, { signal });
  }

  async #isAsked({ answerId, conversationId }) {
    const { turns = [] } = (await this.#shelf.get(conversationId)) ?? {};
    return turns.some(({ answer_id }) => answer_id === answerId);
  }

  /** Has the service answer. @param {AbortSignal} stopped is aborted when the answer is to stop */
  async *#get(ask, stopped, onTrouble) {
    const { answerId, conversationId } = ask;
    const found = await this.#shelf.get(conversationId);
    // Without what it follows, the model would not know what is spoken of.
    if (!found && ask.after !== null) throw new ChatError(NOT_FOUND, newId(), { status: 404 });
    const conversation = found ?? emptyConversation(ask);
    const all = exchangesOf(conversation.turns);
    const earlier = pathTo(all.find(({ turnId }) => turnId === ask.after));
    const { body, since } = requestFor(earlier, ask.message, ask);
    const turns = newTurns(ask);
    const [, answer] = turns;
    const saving = new Saving(() => {
      this.#shelf.putPartial(answerId, answer);
      this.#presence.tell(answerId);
    });
    const kept = { turn_id: answer.id, history_turns: 2 * (earlier.length - since) };
    let sequence = 0;
    try {
      await this.#shelf.update(conversationId, (it = conversation) => ({
        ...it,
        turns: [...it.turns, ...turns],
        updated_at: answer.created_at,
      }));
      const request = {
        method: "POST",
        body,
        signal: stopped,
        asksForTokenAgain: true,
        patienceMs: MODEL_PATIENCE_MS,
      };
      const send = () => this.#api.request("/chat", request);
      const response = await retryWhileBusy(send, { signal: stopped, onTrouble });
      for await (const frame of framesIn(response)) {
        sequence += 1;
        answer.content += frame.content;
        if (frame.reasoning) answer.reasoning = (answer.reasoning ?? "") + frame.reasoning;
        if (frame.is_final) endTurn(answer, frame);
        else saving.soon();
        yield frame.is_final ? { ...frame, ...kept } : frame;
      }
    } catch (error) {
      await saving.stays();
      const isLost = error instanceof ChatError && error.status === undefined;
      if (!stopped.aborted && !(isLost && sequence > 0)) {
        await this.#forget(conversationId, turns);
        throw error;
      }
      const ending = stopped.aborted ? { finish_reason: "stopped" } : error.problem;
      const correlation_id = error.problem?.correlationId;
      const frame = { content: "", sequence, is_final: true, correlation_id, ...ending };
      endTurn(answer, frame);
      yield { ...frame, ...kept };
    } finally {
      saving.end();
      await this.#write(conversationId, turns);
      await this.#shelf.removePartial(answerId).catch(() => {});
    }
  }

  /**
   * Reads an answer that another tab is getting, or one that is over.
   *
   * @param {string} answerId
   * @param {{ signal: AbortSignal }} options
   */
  async *read(answerId, { signal }) {
    const id = this.#places.get(answerId);
    let length = 0;
    let thoughtLength = 0;
    for (let sequence = 0; ; sequence += 1) {
      const conversation = await this.open(id);
      const turn = conversation.turns.find((each) => each.answer_id === answerId);
      if (!turn) throw new ChatError(NOT_FOUND, newId(), { status: 404 });
      const { content, reasoning = "" } = turn;
      if (content.length > length || reasoning.length > thoughtLength) {
        const thought = reasoning.slice(thoughtLength) || undefined;
        yield { content: content.slice(length), reasoning: thought, sequence, is_final: false };
        length = content.length;
        thoughtLength = reasoning.length;
      } else if (turn.state !== "streaming") {
        yield finalFrameOf(turn, sequence);
        return;
      } else {
        await this.#presence.heard(answerId, LOOK_MS, signal);
      }
    }
  }

  /** Stops an answer, whichever tab is getting it. */
  async stop(answerId) {
    this.#presence.stop(answerId);
  }

  /** Writes turns that have changed. The conversation may be deleted by now, or an answer ended in another tab. */
  async #write(id, turns) {
    const changed = new Map(turns.map((turn) => [turn.id, turn]));
    await this.#shelf.update(
      id,
      (it) =>
        it && { ...it, turns: it.turns.map((old) => (isOpen(old) && changed.get(old.id)) || old) },
    );
  }

  /** Takes back a question that got no answer, and its conversation if nothing else is asked in it at that moment. */
  async #forget(id, turns) {
    const ids = new Set(turns.map((turn) => turn.id));
    await this.#shelf.update(
      id,
      (it) => it && { ...it, turns: it.turns.filter((turn) => !ids.has(turn.id)) },
    );
    await this.#shelf.remove(id, (it) => it?.turns.length === 0);
  }
}

/** Whether more of an answer may be written. @param {import("../turns.js").Turn} turn */
function isOpen({ state }) {
  return state === "streaming" || state === "interrupted";
}
