import { ChatError } from "./api.js";
import { endExchange, problemOf } from "./exchange.js";
import { isPassing, LOST, pause, pauseMs, retryWhilePassing } from "./patience.js";
import { Reader } from "./reader.js";
import { carryOut, forgetStop } from "./stops.js";
import { loadSettings } from "./store.js";
import { hasUnknownTurn, isOpen, turnBehind, turnsOf } from "./turns.js";

/** How long another device's answer, which a question has to wait for, may take to show up. */
const RACE_MS = 1000;

/** What is answered to a question in a conversation that is gone. */
const FOLLOWS_NOTHING = ["validation_error", "not_found"];

const GONE = {
  error: "This answer is gone",
  detail: "Its conversation may have been deleted on another device.",
};

/**
 * From a question to the end of its answer: what is asked in a conversation, read, stopped, and asked behind it.
 *
 * @typedef {import("./turns.js").Exchange} Exchange
 */
export class Asking {
  #conversation;
  #tree;
  #keeper;
  #observer;
  #reader;
  #isClosed = false;

  /**
   * @param {import("./conversation.js").Conversation} conversation
   * @param {import("./tree.js").Tree} tree its exchanges
   * @param {() => Promise<import("./keep/choose.js").Keeper>} keeper
   * @param {import("./conversation.js").Observer} observer
   */
  constructor(conversation, tree, keeper, observer) {
    this.#conversation = conversation;
    this.#tree = tree;
    this.#keeper = keeper;
    this.#observer = observer;
    this.#reader = new Reader(observer);
  }

  /** Whether some answer is being read. */
  get isBusy() {
    return this.#reader.isBusy;
  }

  /** Whether an answer is being read. @param {Exchange} exchange */
  reads(exchange) {
    return this.#reader.has(exchange);
  }

  /** Sends a question that is new, waited or failed. @param {Exchange} exchange */
  send(exchange) {
    const { answerId, question: message, parent } = exchange;
    forgetStop(answerId);
    exchange.state = "streaming";
    const { model, maxTokens } = exchange.sent ?? loadSettings();
    exchange.model ??= model ?? this.#observer.standardModel();
    const mustLook = exchange.sent === undefined && hasUnknownTurn(parent);
    const ask = () => {
      exchange.sent ??= { after: turnBehind(exchange.parent), model, maxTokens };
      this.#conversation.save();
      return { conversationId: this.#conversation.id, answerId, message, ...exchange.sent };
    };
    if (mustLook) this.#conversation.save();
    else ask();
    const now = new Date().toISOString();
    this.#conversation.createdAt ||= now;
    this.#conversation.updatedAt = now;
    this.#observer.onSummary();
    const started = performance.now();
    const onFirst = () => {
      exchange.firstWordMs = performance.now() - started;
    };
    const frames = async (keeper, options) => {
      if (mustLook) await retryWhilePassing(() => this.#conversation.load(), options.signal);
      return keeper.ask(ask(), { ...options, isUnwanted: () => exchange.isStopping });
    };
    this.#read(exchange, frames, onFirst);
  }

  /** Reads an answer that was asked for before. @param {Exchange} exchange */
  follow(exchange) {
    this.#read(exchange, (keeper, options) => keeper.read(exchange.answerId, options));
  }

  /** Goes on where a page was left, or another device has come to. @param {Exchange} exchange */
  resume(exchange) {
    const { state, parent, parentId, turnId } = exchange;
    const isFirst = parent === undefined && parentId === undefined;
    if (this.reads(exchange)) return;
    if (state === "streaming" && turnId !== undefined) this.follow(exchange);
    else if (state === "streaming" || (state === "queued" && isFirst)) this.send(exchange);
    else this.#sendNext(exchange);
  }

  /** Stops an answer, through any number of lost connections. @param {Exchange} exchange */
  async stop(exchange) {
    if (exchange.isStopping) return;
    exchange.isStopping = true;
    this.#unask(exchange);
    this.#conversation.save();
    this.#observer.onState(exchange);
    const { answerId } = exchange;
    const stop = async () => (await this.#keeper()).stop(answerId);
    try {
      await carryOut(answerId, stop, this.#reader.signal(exchange));
    } catch (error) {
      // By now it may be asked for again, under the same id or another one.
      if (!exchange.isStopping) return;
      // Without the access token, it runs on.
      if (error.status === 401) {
        exchange.isStopping = false;
        return;
      }
      this.#reader.leave(exchange);
    }
  }

  /** Stops reading, since the conversation is gone. */
  close() {
    this.#isClosed = true;
    this.#reader.leaveAll();
  }

  async #read(exchange, framesOf, onFirst = () => {}) {
    const source = async (signal, onTrouble) =>
      framesOf(await this.#keeper(), { signal, onTrouble });
    const begun = () => {
      onFirst();
      this.#conversation.save();
    };
    try {
      const final = await this.#reader.read(exchange, source, begun);
      if (final) endExchange(exchange, final);
      else await this.#findEnd(exchange);
    } catch (error) {
      await this.#failed(exchange, error);
    }
    if (!this.#isClosed) await this.#ended(exchange);
  }

  /** An answer may be over before it is read here. Its end is then in its conversation, once that can be had. */
  async #findEnd(exchange) {
    const isOpenHere = () =>
      exchange.state === "streaming" && !this.#isClosed && !this.reads(exchange);
    for (let failures = 1; isOpenHere(); failures += 1) {
      await this.#conversation.load().catch((error) => {
        if (!isPassing(error, true)) throw error;
      });
      if (!isOpenHere()) break;
      exchange.trouble = LOST;
      this.#observer.onState(exchange);
      await pause(pauseMs(failures), new AbortController().signal);
    }
    exchange.trouble = undefined;
  }

  async #ended(exchange) {
    this.#conversation.changes += 1;
    const { state, problem, sent, isStopping } = exchange;
    // Whoever deletes a conversation on another device stops its answer, too. What is asked in it then follows nothing.
    const mayBeGone =
      (state === "stopped" && !isStopping) ||
      (sent?.after && FOLLOWS_NOTHING.includes(problem?.code));
    if (mayBeGone && (await this.#isGone())) return this.#observer.onGone();
    exchange.isStopping = false;
    this.#conversation.save();
    // It may be waiting or running again.
    if (isOpen(exchange)) return;
    // First, so that a conversation that is not shown counts as busy.
    this.#sendNext(exchange, isStopping);
    this.#observer.onEnd(exchange);
    this.#observer.onSummary();
    this.#copy();
  }

  /** What waits for an answer is sent once that is over. @param {boolean} [isAskedSince] after it was stopped here */
  #sendNext(exchange, isAskedSince = false) {
    const { state } = exchange;
    if (state === "stopped" && !isAskedSince) this.#unask(exchange);
    if (state !== "done" && state !== "stopped") return;
    const [next] = this.#tree.waitingFor(exchange);
    if (next) this.send(next);
  }

  /** Takes back what waits for an answer that was stopped: nobody expects another one to begin then. */
  #unask(exchange) {
    const questions = [];
    // One that was sent already is only late.
    const next = () => this.#tree.waitingFor(exchange).find(({ sent }) => sent === undefined);
    for (let each = next(); each; each = next()) {
      questions.push(each.question);
      this.#conversation.takeBack(each);
    }
    if (questions.length > 0) this.#observer.onUnasked(questions);
  }

  async #failed(exchange, error) {
    const code = error instanceof ChatError ? error.problem.code : undefined;
    if (code === "answer_running") return this.#wait(exchange);
    if (code === "conversations_unavailable" && (await this.#observer.switchToBrowser())) {
      const known = this.#known();
      if (known.turns.length > 0) await (await this.#keeper()).take(known);
      return this.send(exchange);
    }
    if (error.status === 404 && exchange.turnId !== undefined) {
      error.problem = { ...error.problem, ...GONE };
    }
    // It may have been stopped before its question arrived.
    if (exchange.isStopping && error.status === 404) exchange.state = "stopped";
    else {
      exchange.state = "failed";
      exchange.problem = problemOf(error);
    }
  }

  /** Another device has asked meanwhile: this question waits for that answer. */
  async #wait(exchange) {
    exchange.state = "queued";
    await this.#conversation.load().catch(() => {});
    if (exchange.parent?.state === "streaming") return;
    await new Promise((resolve) => setTimeout(resolve, RACE_MS));
    // It may have been sent or taken back meanwhile.
    const isWaiting = this.#tree.waitingFor(exchange.parent).includes(exchange);
    if (isWaiting && !this.#isClosed) this.send(exchange);
  }

  async #isGone() {
    const keeper = await this.#keeper();
    return keeper.open(this.#conversation.id).then(
      () => false,
      ({ status }) => status === 404,
    );
  }

  /** Has the conversation at hand offline. */
  async #copy() {
    const known = this.#known();
    if (known.turns.length > 0) await (await this.#keeper()).copy(known);
  }

  /** What is kept of the conversation, as far as the page knows it. */
  #known() {
    const { id, title, createdAt, updatedAt, exchanges } = this.#conversation;
    const turns = turnsOf(exchanges.filter(({ turnId }) => turnId !== undefined));
    return { id, title, created_at: createdAt, updated_at: updatedAt, turns };
  }
}
