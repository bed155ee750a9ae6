import { persist } from "./answer-stream.js";
import { ChatError } from "./api.js";
import { isUnkept, loadAsks, saveAsks } from "./asks.js";
import { endExchange, newExchange, problemOf } from "./exchange.js";
import { loadSettings } from "./store.js";
import { endOf, exchangesOf, pathTo, titleOf, turnBehind, turnsOf } from "./turns.js";

/** Asks the model to finish an answer that reached the limit. */
const CONTINUE = "Continue where you stopped.";

/** How long an answer that should be running, and is not, may take to show up. */
const RACE_MS = 1000;

/** Failures that leave open whether the question has arrived. Under the same id, no second answer is bought. */
const LEFT_OPEN = ["invalid_answer", "unauthorized"];

const GONE = {
  error: "This answer is gone",
  detail: "Its conversation may have been deleted on another device.",
};

/**
 * What a conversation tells.
 *
 * @typedef {object} Observer
 * @property {() => void} onPath other exchanges are shown, or in another order
 * @property {(exchange: Exchange, text: string) => void} onText an answer has grown
 * @property {(exchange: Exchange) => void} onState
 * @property {(exchange: Exchange) => void} onEnd an answer that this page was reading has ended
 * @property {() => void} onSummary
 * @property {() => void} onGone the conversation was deleted elsewhere while an answer was being read
 * @property {() => string | undefined} standardModel the model that answers when none is chosen
 * @property {() => Promise<boolean>} isKeeperNew the service keeps nothing any more: whether somebody else does
 *
 * @typedef {import("./turns.js").Exchange} Exchange
 */

/** One conversation as the page knows it: its exchanges, and the answers that are being read. */
export class Conversation {
  /** Oldest first. @type {Exchange[]} */
  exchanges = [];
  /** The end of the path that is shown. @type {Exchange | undefined} */
  tip;
  title = "";
  updatedAt = "";
  /** Whether it is a copy of some time ago, since the service cannot be reached. */
  isCopy = false;
  id;
  #keeper;
  #observer;
  #isClosed = false;
  /** Ids of answers that are asked for no more. @type {Set<string>} */
  #unwanted = new Set();
  /** Stops reading an answer. @type {Map<Exchange, AbortController>} */
  #reading = new Map();

  /**
   * @param {string} id
   * @param {() => Promise<import("./keep/server.js").ServerKeeper>} keeper
   * @param {Observer} observer
   */
  constructor(id, keeper, observer) {
    this.id = id;
    this.#keeper = keeper;
    this.#observer = observer;
  }

  /** What is shown, oldest first. */
  get path() {
    return pathTo(this.tip);
  }

  /** The answer on the path that is being read: a copy of one that ran cannot be stopped. @returns {Exchange | undefined} */
  get running() {
    return this.path.findLast((each) => this.#reading.has(each));
  }

  /** Whether some answer is being read, shown or not. */
  get isBusy() {
    return this.#reading.size > 0;
  }

  /** Takes in what its keeper knows. @throws {ChatError} */
  async load() {
    const keeper = await this.#keeper();
    const kept = await keeper.open(this.id).catch((error) => {
      // A conversation whose first question is still on its way does not exist yet.
      const asks = loadAsks(this.id);
      const isComing = this.isBusy || asks.length > 0;
      const begins = error.problem?.code === "no_connection" && asks[0]?.sent?.after === null;
      if ((error.status === 404 && isComing) || begins) return { turns: [] };
      throw error;
    });
    // What this page knows is newer than a copy.
    const isOlder = kept.isCopy && this.exchanges.length > 0;
    if (!this.#isClosed && !isOlder) this.#merge(kept);
  }

  /** Asks a question. While an answer is running, it waits for its turn. */
  ask(message) {
    this.#ask(message, this.tip);
  }

  /** @param {Exchange | undefined} parent what it follows */
  #ask(message, parent) {
    const exchange = newExchange(message, parent);
    const mustWait = parent?.state === "streaming" || parent?.state === "queued";
    if (mustWait) exchange.state = "queued";
    this.exchanges.push(exchange);
    this.tip = exchange;
    this.title ||= titleOf(message);
    if (mustWait) this.#save();
    else this.send(exchange);
    this.#observer.onPath();
    return exchange;
  }

  /** Asks another question in the place of one. */
  edit(exchange, message) {
    this.#ask(message, exchange.parent);
  }

  /** Asks a question again. What has arrived of its answer stays, as another version. */
  retry(exchange) {
    if (isUnkept(exchange)) {
      const { question, parent, answerId, sent, problem } = exchange;
      const same = LEFT_OPEN.includes(problem?.code) ? { answerId, sent } : {};
      if (!same.answerId) this.#unwanted.add(answerId);
      Object.assign(exchange, newExchange(question, parent), same);
      this.send(exchange);
      return;
    }
    const version = this.#ask(exchange.question, exchange.parent);
    this.#adopt(exchange, version);
  }

  /** Goes on where the access token was missing: an answer that had begun is read on. */
  signedIn(exchange) {
    if (isUnkept(exchange)) return this.retry(exchange);
    Object.assign(exchange, { state: "streaming", problem: undefined });
    this.#follow(exchange);
  }

  /** Has the model go on with an answer that reached the limit. */
  goOn(exchange) {
    this.#ask(CONTINUE, exchange);
  }

  /** Shows another version. */
  choose(exchange) {
    this.tip = endOf(exchange, this.exchanges);
    this.#observer.onPath();
  }

  /** Takes back a question that waits. */
  takeBack(exchange) {
    this.#unwanted.add(exchange.answerId);
    this.#remove(exchange);
    this.#save();
    this.#observer.onPath();
  }

  #remove(exchange) {
    this.exchanges = this.exchanges.filter((each) => each !== exchange);
    for (const each of this.exchanges) if (each.parent === exchange) each.parent = exchange.parent;
    if (this.tip === exchange) this.tip = exchange.parent;
  }

  /** Takes in which questions wait in another tab, and which do no more: those were taken back, or sent. */
  async takeInAsks() {
    const saved = new Set(loadAsks(this.id).map(({ answerId }) => answerId));
    const gone = this.exchanges.filter(
      ({ state, answerId }) => state === "queued" && !saved.has(answerId),
    );
    for (const exchange of gone) this.#remove(exchange);
    const followed = this.tip === this.#newest();
    this.#restoreAsks(({ state }) => state === "queued");
    if (followed) this.tip = this.#newest();
    this.#observer.onPath();
    if (gone.length > 0) await this.load().catch(() => {});
  }

  /** Stops the answer that is running, through any number of lost connections. */
  async stop() {
    const exchange = this.running;
    const reading = exchange && this.#reading.get(exchange);
    if (!reading || exchange.isStopping) return;
    exchange.isStopping = true;
    this.#observer.onState(exchange);
    const stop = async () => (await this.#keeper()).stop(exchange.answerId);
    try {
      await persist(stop, reading.signal);
    } catch {
      // It does not run: its question has not arrived, or arrives just now.
      reading.abort();
      setTimeout(() => stop().catch(() => {}), RACE_MS);
    }
  }

  /** Stops reading, since the conversation is gone. */
  close() {
    this.#isClosed = true;
    for (const abort of this.#reading.values()) abort.abort();
  }

  /** Sends a question that waited or failed. @param {Exchange} exchange */
  send(exchange) {
    exchange.state = "streaming";
    const { model, maxTokens } = loadSettings();
    exchange.sent ??= { after: turnBehind(exchange.parent), model, maxTokens };
    exchange.model ??= exchange.sent.model ?? this.#observer.standardModel();
    const ask = {
      conversationId: this.id,
      answerId: exchange.answerId,
      message: exchange.question,
      ...exchange.sent,
    };
    this.#save();
    this.updatedAt = new Date().toISOString();
    this.#observer.onSummary();
    const started = performance.now();
    const onFirst = () => {
      exchange.firstWordMs = performance.now() - started;
    };
    this.#read(exchange, (keeper, options) => keeper.ask(ask, options), onFirst);
  }

  /** Reads an answer that was asked for before. */
  #follow(exchange) {
    this.#read(exchange, (keeper, options) => keeper.read(exchange.answerId, options));
  }

  async #read(exchange, framesOf, onFirst = () => {}) {
    const abort = new AbortController();
    this.#reading.set(exchange, abort);
    this.#observer.onState(exchange);
    const onTrouble = (isLost) => {
      if (Boolean(exchange.isLost) === isLost) return;
      exchange.isLost = isLost;
      this.#observer.onState(exchange);
    };
    try {
      const frames = framesOf(await this.#keeper(), { signal: abort.signal, onTrouble });
      await this.#receive(exchange, frames, onFirst);
    } catch (error) {
      if (abort.signal.aborted) exchange.state = "stopped";
      else await this.#failed(exchange, error);
    }
    if (this.#reading.get(exchange) === abort) this.#reading.delete(exchange);
    if (this.#isClosed) return;
    // Whoever deletes a conversation on another device stops its answer, too.
    const mayBeGone = exchange.state === "stopped" && !exchange.isStopping;
    if (mayBeGone && (await this.#isGone())) return this.#observer.onGone();
    Object.assign(exchange, { isLost: false, isStopping: false });
    this.#save();
    // It may be waiting or running again.
    if (exchange.state === "queued" || exchange.state === "streaming") return;
    this.#observer.onEnd(exchange);
    this.#observer.onSummary();
    this.#copy();
    if (exchange.state === "done" || exchange.state === "stopped") this.#sendNext(exchange);
  }

  async #isGone() {
    const keeper = await this.#keeper();
    return keeper.open(this.id).then(
      () => false,
      ({ status }) => status === 404,
    );
  }

  /** Has the conversation at hand offline. */
  async #copy() {
    const { id, title, updatedAt: updated_at } = this;
    const turns = turnsOf(this.exchanges.filter(({ turnId }) => turnId !== undefined));
    if (turns.length === 0) return;
    await (await this.#keeper()).copy({ id, title, created_at: updated_at, updated_at, turns });
  }

  /** The frames are those from the answer's start. What is shown already is passed over. */
  async #receive(exchange, frames, onFirst) {
    let length = 0;
    for await (const frame of frames) {
      const fresh = frame.content.slice(Math.max(0, exchange.answer.length - length));
      length += frame.content.length;
      if (fresh !== "") this.#grow(exchange, fresh, onFirst);
      if (frame.is_final) return endExchange(exchange, frame);
    }
    // Its end is known already, but not here.
    this.#reading.delete(exchange);
    await this.load();
  }

  #grow(exchange, text, onFirst) {
    const isFirst = exchange.answer === "";
    exchange.answer += text;
    this.#observer.onText(exchange, text);
    if (!isFirst) return;
    onFirst();
    this.#save();
  }

  async #failed(exchange, error) {
    const code = error instanceof ChatError ? error.problem.code : undefined;
    if (code === "answer_running") return this.#wait(exchange);
    if (code === "conversations_unavailable" && (await this.#observer.isKeeperNew())) {
      return this.send(exchange);
    }
    if (error.status === 404 && exchange.turnId !== undefined) {
      error.problem = { ...error.problem, ...GONE };
    }
    exchange.state = "failed";
    exchange.problem = problemOf(error);
  }

  /** Another device has asked meanwhile: this question waits for that answer. */
  async #wait(exchange) {
    exchange.state = "queued";
    this.#reading.delete(exchange);
    await this.load().catch(() => {});
    if (exchange.parent?.state === "streaming") return;
    await new Promise((resolve) => setTimeout(resolve, RACE_MS));
    if (exchange.state === "queued") this.send(exchange);
  }

  /** What waits for an answer is sent once that is over. */
  #sendNext(exchange) {
    const next = this.exchanges.find(
      ({ parent, state }) => parent === exchange && state === "queued",
    );
    if (next) this.send(next);
  }

  /** What waits for one version of an answer waits for another. */
  #adopt(from, to) {
    const waiting = this.exchanges.filter(
      ({ parent, state }) => parent === from && state === "queued",
    );
    if (waiting.length === 0) return;
    for (const each of waiting) each.parent = to;
    this.exchanges = [...this.exchanges.filter((each) => !waiting.includes(each)), ...waiting];
    this.tip = endOf(to, this.exchanges);
    this.#save();
    this.#observer.onPath();
  }

  /** @param {import("./keep/server.js").Conversation} kept */
  #merge(kept) {
    const followed = this.tip === this.#newest();
    const known = new Map(this.exchanges.map((each) => [each.answerId, each]));
    const found = exchangesOf(kept.turns);
    const own = (each) => each && (known.get(each.answerId) ?? each);
    const parents = found.map(({ parent }) => own(parent));
    this.exchanges = found.map((each, at) => this.#update(own(each), each, parents[at]));
    this.#restore(known);
    this.title = kept.title ?? this.title;
    this.updatedAt = kept.updated_at ?? this.updatedAt;
    this.isCopy = kept.isCopy ?? false;
    if (followed || !this.exchanges.includes(this.tip)) this.tip = this.#newest();
    this.#observer.onPath();
    for (const exchange of this.exchanges) this.#resume(exchange);
  }

  /** What this page knows of a running answer is newer. */
  #update(exchange, kept, parent) {
    const isRunning = this.#reading.has(exchange);
    const old = exchange.answer;
    const { parent: _, ...fields } = kept;
    if (exchange !== kept && !isRunning) Object.assign(exchange, fields);
    if (exchange !== kept && isRunning) exchange.turnId = kept.turnId;
    // On the page, a question may stand below one that failed and is not kept.
    if (turnBehind(exchange.parent) !== turnBehind(parent)) exchange.parent = parent;
    if (exchange.answer !== old && exchange.answer.startsWith(old)) {
      this.#observer.onText(exchange, exchange.answer.slice(old.length));
    }
    if (exchange !== kept) this.#observer.onState(exchange);
    return exchange;
  }

  /** The end of the newest branch. A question that failed and is not kept counts only where nothing is newer. */
  #newest() {
    const isPast = (each) => isUnkept(each) && isFailed(each);
    const newest = this.exchanges.findLast((each) => !isPast(each)) ?? this.exchanges.at(-1);
    return newest && endOf(newest, this.exchanges);
  }

  /** Adds what nobody else keeps yet. @param {Map<string, Exchange>} known */
  #restore(known) {
    const kept = new Map(this.exchanges.map((each) => [each.answerId, each]));
    for (const exchange of known.values()) {
      const isOurs = exchange.turnId === undefined || this.#reading.has(exchange);
      if (!kept.has(exchange.answerId) && isOurs) this.exchanges.push(exchange);
    }
    this.#restoreAsks();
    this.#save();
  }

  #restoreAsks(isMeant = (_) => true) {
    const all = new Map(this.exchanges.map((each) => [each.answerId, each]));
    for (const ask of loadAsks(this.id).filter(isMeant)) {
      if (all.has(ask.answerId) || this.#unwanted.has(ask.answerId)) continue;
      const exchange = { ...newExchange(ask.message, all.get(ask.parentId)), ...ask };
      exchange.parent ??= this.exchanges.find(({ turnId }) => turnId === ask.sent?.after);
      all.set(ask.answerId, exchange);
      this.exchanges.push(exchange);
      this.title ||= titleOf(ask.message);
    }
  }

  /** Reads an answer that runs somewhere, and sends a question that was not sent. */
  #resume(exchange) {
    if (this.#reading.has(exchange) || this.isCopy) return;
    if (exchange.state === "streaming" && exchange.turnId !== undefined) {
      this.#follow(exchange);
    } else if (exchange.state === "streaming") {
      this.send(exchange);
    } else if (exchange.state === "queued" && isOver(exchange.parent)) {
      this.send(exchange);
    }
  }

  #save() {
    if (!this.#isClosed) saveAsks(this.id, this.exchanges, this.#unwanted);
  }
}

function isFailed({ state }) {
  return state === "failed" || state === "stopped";
}

function isOver(parent) {
  return parent === undefined || parent.state === "done" || parent.state === "stopped";
}
