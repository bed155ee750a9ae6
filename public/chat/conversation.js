import { Asking } from "./asking.js";
import { isUnkept, loadAsks, loadEdits, saveAsks, saveEdit } from "./asks.js";
import { idAfter, newExchange } from "./exchange.js";
import { Tree } from "./tree.js";
import { exchangesOf, isOpen, titleOf } from "./turns.js";

/** Asks the model to finish an answer that reached the limit. */
const CONTINUE = "Continue where you stopped.";

/** Failures that leave open whether the question has arrived. Under the same id, no second answer is bought. */
const LEFT_OPEN = ["invalid_answer", "unauthorized"];

/**
 * What a conversation tells.
 *
 * @typedef {object} Observer
 * @property {() => void} onPath other exchanges are shown, or in another order
 * @property {(exchange: Exchange, text: string, thought?: string) => void} onText an answer has grown, or what the model thinks
 * @property {(exchange: Exchange) => void} onState
 * @property {(exchange: Exchange) => void} onEnd an answer that this page was reading has ended
 * @property {() => void} onSummary
 * @property {() => void} onGone the conversation was deleted elsewhere while an answer was being read
 * @property {(questions: string[]) => void} onUnasked these questions waited, and are not asked any more
 * @property {() => string | undefined} standardModel the model that answers when none is chosen
 * @property {() => Promise<boolean>} switchToBrowser the service keeps nothing any more: whether this browser does from now on
 *
 * @typedef {import("./turns.js").Exchange} Exchange
 */

/** One conversation as the page knows it, and what a person can do in it. */
export class Conversation {
  title = "";
  createdAt = "";
  updatedAt = "";
  /** Whether it is a copy of some time ago, since the service cannot be reached. */
  isCopy = false;
  id;
  #tree = new Tree();
  #asking;
  #keeper;
  #observer;
  #isClosed = false;
  /** Counts what was learned: what its keeper was asked for before is older. */
  changes = 0;
  #loads = 0;
  /** The latest look at what its keeper knows. @type {Promise<void> | undefined} */
  #loading;
  /** @type {Set<Exchange>} */
  #edited = new Set();
  /** Ids of answers that are asked for no more. @type {Set<string>} */
  #unwanted = new Set();

  /**
   * @param {string} id
   * @param {() => Promise<import("./keep/choose.js").Keeper>} keeper
   * @param {Observer} observer
   */
  constructor(id, keeper, observer) {
    this.id = id;
    this.#keeper = keeper;
    this.#observer = observer;
    this.#asking = new Asking(this, this.#tree, keeper, observer);
  }

  /** Oldest first. */
  get exchanges() {
    return this.#tree.exchanges;
  }

  /** What is shown, oldest first. */
  get path() {
    return this.#tree.path;
  }

  /** Whether something newer is not shown, since a question is being edited. */
  get hasNews() {
    return this.#tree.hasNews;
  }

  /** The answer on the path that is being read: a copy of one that ran cannot be stopped. @returns {Exchange | undefined} */
  get running() {
    return this.path.findLast((each) => this.#asking.reads(each));
  }

  /** Whether some answer is being read, shown or not. */
  get isBusy() {
    return this.#asking.isBusy;
  }

  /** As the list shows it. @returns {Partial<import("./keep/server.js").Summary>} */
  get summary() {
    const { id, title, updatedAt: updated_at, exchanges } = this;
    const { state: last } = exchanges.at(-1);
    const state = { done: "complete", queued: "streaming" }[last] ?? last;
    return { id, title, updated_at, turn_count: 2 * exchanges.length, state };
  }

  /** Takes in what its keeper knows. @throws {import("./api.js").ChatError} */
  load() {
    this.#loading = this.#load(++this.#loads);
    return this.#loading;
  }

  async #load(count) {
    const keeper = await this.#keeper();
    const { changes } = this;
    const kept = await keeper.open(this.id).catch((error) => {
      // The network may have come back since: a later try tells.
      if (count < this.#loads) return this.#loading;
      if (changes === this.changes && !this.#isComing(error)) throw error;
      return { turns: [] };
    });
    if (this.#isClosed) return;
    if (changes !== this.changes) return this.load();
    // What this page knows is newer than a copy.
    if (!kept || (kept.isCopy && this.exchanges.length > 0)) return;
    this.changes += 1;
    if (!kept.isCopy && kept.turns.length > 0) keeper.copy(kept);
    this.#merge(kept);
  }

  /** Asks a question. While an answer is running, it waits for its turn. */
  ask(message) {
    this.#ask(message, this.#tree.tip);
  }

  /** Asks another question in the place of one. */
  edit(exchange, message) {
    this.saveEdit(exchange, undefined);
    this.#replace(exchange, message);
  }

  /** Keeps what the person makes of a question, to send or to give up later. @param {string | undefined} text `undefined`: no more */
  saveEdit(exchange, text) {
    exchange.edit = text;
    this.#edited.add(exchange);
    saveEdit(this.id, exchange.answerId, text === exchange.question ? undefined : text);
  }

  /** Saves the edits that were written here, whatever other tabs have made of them. */
  saveEdits() {
    if (this.#isClosed) return;
    for (const each of this.#edited) if (each.edit !== undefined) this.saveEdit(each, each.edit);
  }

  /** Asks a question again. What has arrived of its answer stays, as another version. */
  retry(exchange) {
    if (isUnkept(exchange)) this.#askAnew(exchange);
    else this.#replace(exchange, exchange.question, this.#idAfter(exchange));
  }

  /** Goes on where the access token was missing: an answer that had begun is read on. */
  signedIn(exchange) {
    if (isUnkept(exchange)) return this.retry(exchange);
    Object.assign(exchange, { state: "streaming", problem: undefined });
    this.#asking.follow(exchange);
  }

  /** Has the model go on with an answer that reached the limit. */
  continueAnswer(exchange) {
    this.#ask(CONTINUE, exchange);
  }

  /** Sends a question that waits. */
  send(exchange) {
    this.#asking.send(exchange);
  }

  /** Takes back a question that waits. */
  takeBack(exchange) {
    this.#unwanted.add(exchange.answerId);
    this.#tree.follow(() => this.#tree.remove(exchange));
    this.save();
    this.#observer.onPath();
  }

  /** Stops the answer that is running. */
  stop() {
    const { running } = this;
    if (running) this.#asking.stop(running);
  }

  /** Shows another version. */
  choose(exchange) {
    this.#tree.choose(exchange);
    this.#observer.onPath();
  }

  showNewest() {
    this.#tree.showNewest();
    this.#observer.onPath();
  }

  /** Takes in which questions wait in another tab, and which do no more: those were taken back, or sent. */
  async takeInAsks() {
    const saved = new Set(loadAsks(this.id).map(({ answerId }) => answerId));
    const gone = this.exchanges.filter(
      ({ state, answerId }) => state === "queued" && !saved.has(answerId),
    );
    this.#tree.follow(() => {
      for (const exchange of gone) this.#tree.remove(exchange);
      this.#restoreAsks(({ state }) => state === "queued");
    });
    this.#observer.onPath();
    if (gone.length > 0) await this.load().catch(() => {});
  }

  /** Saves what nobody else keeps yet. */
  save() {
    if (!this.#isClosed) saveAsks(this.id, this.exchanges, this.#unwanted);
  }

  /** Ends everything, since the conversation is gone. */
  close() {
    this.#isClosed = true;
    this.#asking.close();
  }

  /** @param {Exchange | undefined} parent what it follows @param {string} [answerId] */
  #ask(message, parent, answerId) {
    const exchange = newExchange(message, parent, answerId);
    const mustWait = isOpen(parent);
    if (mustWait) exchange.state = "queued";
    this.#tree.add(exchange);
    this.title ||= titleOf(message);
    if (mustWait) this.save();
    else this.send(exchange);
    this.#observer.onPath();
    return exchange;
  }

  /** Asks in the place of a question. What waits for that answer waits for this one. */
  #replace(exchange, message, answerId) {
    const version = this.#ask(message, exchange.parent, answerId);
    if (!this.#tree.adopt(exchange, version)) return;
    this.save();
    this.#observer.onPath();
  }

  /** Asks a question again that nobody keeps, in its place. */
  #askAnew(exchange) {
    const { question, parent, answerId, sent, problem, edit } = exchange;
    const isSame = LEFT_OPEN.includes(problem?.code);
    if (!isSame) this.#unwanted.add(answerId);
    const next = isSame ? answerId : this.#idAfter(exchange);
    this.saveEdit(exchange, undefined);
    Object.assign(exchange, newExchange(question, parent, next), isSame ? { sent } : {});
    if (edit !== undefined) this.saveEdit(exchange, edit);
    this.send(exchange);
  }

  /** The id of another answer to a question: the first that the page does not know. */
  #idAfter({ answerId }) {
    const next = idAfter(answerId);
    const isTaken =
      this.#unwanted.has(next) || this.exchanges.some((each) => each.answerId === next);
    return isTaken ? this.#idAfter({ answerId: next }) : next;
  }

  /** @param {import("./keep/server.js").KeptConversation} kept */
  #merge(kept) {
    const isFirst = this.exchanges.length === 0;
    const isRead = (exchange) => this.#asking.reads(exchange);
    this.#tree.follow(() => {
      this.#tree.merge(exchangesOf(kept.turns), { ...this.#observer, isRead });
      this.#restoreAsks();
    });
    if (isFirst) this.#tree.resume(loadEdits(this.id));
    this.save();
    this.title = kept.title ?? this.title;
    this.createdAt = kept.created_at ?? this.createdAt;
    this.updatedAt = kept.updated_at ?? this.updatedAt;
    this.isCopy = kept.isCopy ?? false;
    this.#observer.onPath();
    if (this.isCopy) return;
    for (const exchange of this.exchanges) this.#asking.resume(exchange);
  }

  #restoreAsks(isMeant = (_) => true) {
    const asks = loadAsks(this.id).filter(
      (ask) => isMeant(ask) && !this.#unwanted.has(ask.answerId),
    );
    this.#tree.restore(asks);
    if (asks.length > 0) this.title ||= titleOf(asks[0].message);
  }

  /** Whether a conversation that cannot be opened does not exist yet, because its first question is still on its way. */
  #isComing({ status, problem }) {
    const asks = loadAsks(this.id);
    if (status === 404) return this.isBusy || asks.some(({ parentId }) => parentId === undefined);
    const isFirst = this.exchanges.every(isUnkept) && asks[0]?.sent?.after === null;
    return isFirst && problem?.code === "no_connection";
  }
}
