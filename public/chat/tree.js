import { isUnkept } from "./asks.js";
import { newExchange } from "./exchange.js";
import { endOf, pathTo, turnBehind } from "./turns.js";

/**
 * The exchanges of a conversation as this page knows them, and the path through them that is shown. Nothing here needs a
 * browser.
 *
 * @typedef {import("./turns.js").Exchange} Exchange
 */
export class Tree {
  /** Oldest first. @type {Exchange[]} */
  exchanges = [];
  /** Whether something newer is not shown, so that an edit or a running answer stays in sight. */
  hasNews = false;
  /** The end of the path that is shown. @type {Exchange | undefined} */
  #tip;

  /** What is shown, oldest first. */
  get path() {
    return pathTo(this.#tip);
  }

  /** @returns {Exchange | undefined} */
  get tip() {
    return this.#tip;
  }

  /** Adds an exchange, and shows it. @param {Exchange} exchange */
  add(exchange) {
    this.exchanges.push(exchange);
    this.#show(exchange);
  }

  /** Shows the newest of the branches that an exchange is on. @param {Exchange} exchange */
  choose(exchange) {
    this.#show(endOf(exchange, this.exchanges));
  }

  showNewest() {
    this.#show(this.#newest());
  }

  /** What was behind it moves up. @param {Exchange} exchange */
  remove(exchange) {
    this.exchanges = this.exchanges.filter((each) => each !== exchange);
    for (const each of this.exchanges) if (each.parent === exchange) each.parent = exchange.parent;
    if (this.#tip === exchange) this.#tip = exchange.parent;
  }

  /** The questions that wait for an answer. @param {Exchange} exchange */
  waitingFor(exchange) {
    return this.exchanges.filter(({ parent, state }) => parent === exchange && state === "queued");
  }

  /** What waits for one version of an answer waits for another. @returns {boolean} whether anything does */
  adopt(from, to) {
    const waiting = this.waitingFor(from);
    if (waiting.length === 0) return false;
    for (const each of waiting) Object.assign(each, { parent: to, parentId: undefined });
    // Each stands behind what it follows, and so does what waits for it in turn.
    const isBehind = (each) => each !== to && pathTo(each).includes(to);
    this.exchanges = [
      ...this.exchanges.filter((each) => !isBehind(each)),
      ...this.exchanges.filter(isBehind),
    ];
    this.choose(to);
    return true;
  }

  /**
   * Changes the exchanges because of what has happened elsewhere. Whoever sees the newest one still does so, unless that
   * would lead away from a question that is being edited, or from an answer that is running.
   *
   * @param {() => void} change
   */
  follow(change) {
    const isAtNewest = this.#tip === this.#newest();
    change();
    const isGone = !this.exchanges.includes(this.#tip);
    if (isAtNewest || isGone || this.hasNews) this.#moveOn(isGone);
  }

  #moveOn(isGone) {
    const newest = this.#newest();
    const path = new Set(pathTo(newest));
    const leadsAway = this.path.some((each) => isHeld(each) && !path.has(each));
    if (isGone || !leadsAway) this.#show(newest);
    else this.hasNews = true;
  }

  /**
   * Takes in what is kept. An exchange that is known stays the same object. Those that nobody else keeps stay, too.
   *
   * @param {Exchange[]} kept oldest first
   * @param {object} options
   * @param {(exchange: Exchange) => boolean} options.isRead whether its answer is being read, so that the page knows more
   * @param {(exchange: Exchange, text: string) => void} options.onText
   * @param {(exchange: Exchange) => void} options.onState
   */
  merge(kept, options) {
    const known = new Map(this.exchanges.map((each) => [each.answerId, each]));
    const own = (each) => each && (known.get(each.answerId) ?? each);
    const parents = kept.map(({ parent }) => own(parent));
    this.exchanges = kept.map((each, at) => update(own(each), each, parents[at], options));
    const ids = new Set(kept.map(({ answerId }) => answerId));
    for (const exchange of known.values()) {
      const isOurs = exchange.turnId === undefined || options.isRead(exchange);
      if (!ids.has(exchange.answerId) && isOurs) this.exchanges.push(exchange);
    }
  }

  /**
   * Adds the questions that nobody else keeps yet. What one follows may not be known, as in a copy that is old: until it
   * is, the question stands at the end, and remembers what it follows.
   *
   * @param {import("./asks.js").SavedAsk[]} asks
   */
  restore(asks) {
    const all = new Map(this.exchanges.map((each) => [each.answerId, each]));
    const last = this.exchanges.at(-1);
    for (const ask of asks) {
      if (all.has(ask.answerId)) continue;
      const exchange = { ...newExchange(ask.message), ...ask };
      all.set(ask.answerId, exchange);
      this.exchanges.push(exchange);
    }
    for (const each of this.exchanges) {
      if (each.parentId === undefined || each.turnId) continue;
      const parent = all.get(each.parentId);
      const after = each.sent && this.exchanges.find(({ turnId }) => turnId === each.sent.after);
      each.parent = parent ?? after ?? each.parent ?? last;
      if (parent) each.parentId = undefined;
    }
  }

  /** Has the edits that were begun earlier go on, and shows the newest of them. @param {Map<string, string>} edits */
  resume(edits) {
    const edited = this.exchanges.filter(({ answerId }) => edits.has(answerId));
    for (const exchange of edited) exchange.draft = edits.get(exchange.answerId);
    const last = edited.at(-1);
    if (last === undefined || this.path.includes(last)) return;
    this.choose(last);
    this.hasNews = true;
  }

  #show(exchange) {
    this.#tip = exchange;
    this.hasNews = false;
  }

  /** The end of the newest branch. A question that failed and is not kept counts only where nothing is newer. */
  #newest() {
    const isPast = (each) => isUnkept(each) && isFailed(each);
    const newest = this.exchanges.findLast((each) => !isPast(each)) ?? this.exchanges.at(-1);
    return newest && endOf(newest, this.exchanges);
  }
}

/** @returns {Exchange} `exchange` with what is kept of it */
function update(exchange, kept, parent, { isRead, onText, onState }) {
  const isRunning = isRead(exchange);
  const old = exchange.answer;
  const { parent: _, ...fields } = kept;
  if (exchange !== kept && !isRunning) Object.assign(exchange, fields);
  if (exchange !== kept && isRunning) exchange.turnId = kept.turnId;
  // On the page, a question may stand below one that failed and is not kept.
  const isElsewhere = turnBehind(exchange.parent) !== turnBehind(parent);
  if (exchange === kept || isElsewhere) exchange.parent = parent;
  if (exchange.answer !== old && exchange.answer.startsWith(old)) {
    onText(exchange, exchange.answer.slice(old.length));
  }
  if (exchange !== kept) onState(exchange);
  return exchange;
}

/** Whether a person is busy with an exchange. */
function isHeld({ draft, state }) {
  return draft !== undefined || state === "streaming";
}

function isFailed({ state }) {
  return state === "failed" || state === "stopped";
}
