import { Drawing } from "./drawing.js";
import { ExchangeView } from "./exchange-view.js";
import { isTouch } from "./keys.js";
import { Follower } from "./scroll.js";

const FORGOTTEN = "The conversation is long: the assistant no longer sees what is above this line";

/** So many exchanges at the end are there at once. Those before them come when they are near what is in sight. */
const AT_ONCE = 4;

/**
 * What a person can do with an exchange.
 *
 * @typedef {object} Actions
 * @property {(exchange: Exchange) => void} retry
 * @property {(exchange: Exchange) => void} continueAnswer
 * @property {(exchange: Exchange, message: string) => void} edit
 * @property {(exchange: Exchange, text: string | undefined) => void} saveEdit keeps an edit that is not sent; `undefined`: forgets it
 * @property {(exchange: Exchange) => void} choose shows another version
 * @property {(exchange: Exchange) => void} takeBack
 * @property {(exchange: Exchange) => void} send sends a question that waits
 * @property {() => void} signIn
 * @property {() => void} showNewest
 *
 * @typedef {import("./turns.js").Exchange} Exchange
 */

/** The conversation on the page. */
export class Transcript {
  #list = document.querySelector("#exchanges");
  #welcome = document.querySelector("#welcome");
  #notice = document.querySelector("#notice");
  #loading = document.querySelector("#loading");
  #copyNote = document.querySelector("#copy-note");
  #news = document.querySelector("#news");
  #announcer = document.querySelector("#announcer");
  #scroller = document.querySelector("#scroller");
  #follower = new Follower(this.#scroller, document.querySelector("#jump"));
  #drawing = new Drawing(this.#scroller, (view) => this.#drawn(view));
  #note = document.createElement("li");
  /** @type {Map<Exchange, ExchangeView>} */
  #views = new Map();
  #unspoken = new Set();
  #actions;

  /** @param {Actions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.#note.className = "forgotten";
    this.#note.textContent = FORGOTTEN;
    this.#news.querySelector("button").addEventListener("click", () => actions.showNewest());
  }

  /** Shows nothing: not even that there is nothing. */
  clear() {
    this.#views.clear();
    this.#drawing.clear();
    this.#unspoken.clear();
    this.#list.replaceChildren();
    this.#welcome.hidden = true;
    this.#notice.hidden = true;
    this.#loading.hidden = true;
    this.#copyNote.hidden = true;
    this.#news.hidden = true;
    this.#announcer.textContent = "";
  }

  /** Shows that a new conversation may begin. */
  welcome() {
    this.clear();
    this.#welcome.hidden = false;
  }

  /** Shows that a conversation is on its way, should it take long. */
  loading() {
    this.clear();
    this.#loading.hidden = false;
  }

  /**
   * Says why there is no conversation to show, and what to do.
   *
   * @param {{ title: string, text: string, action: string, onAction: () => void }} notice
   */
  notice({ title, text, action, onAction }) {
    this.clear();
    this.#notice.querySelector("h2").textContent = title;
    this.#notice.querySelector("p").textContent = text;
    const button = this.#notice.querySelector("button");
    button.textContent = action;
    button.onclick = onAction;
    this.#notice.hidden = false;
  }

  /**
   * Shows the path through a conversation. What is shown already stays where it is.
   *
   * @param {Exchange[]} path
   * @param {object} options
   * @param {number} options.since from this one on, the assistant sees the conversation
   * @param {boolean} options.isCopy whether it is how the conversation was some time ago
   * @param {boolean} options.hasNews whether there is something newer than what is shown
   * @param {(exchange: Exchange) => import("./exchange-view.js").Versions} options.versionsOf
   */
  show(path, { since, isCopy, hasNews, versionsOf }) {
    this.#copyNote.hidden = !isCopy;
    this.#news.hidden = !hasNews;
    this.#welcome.hidden = true;
    this.#notice.hidden = true;
    this.#loading.hidden = true;
    this.#note.remove();
    const shown = new Set(path);
    for (const [exchange, view] of this.#views) {
      if (!shown.has(exchange)) this.#remove(exchange, view);
    }
    for (const [at, exchange] of path.entries()) {
      // An edit that was not sent is where the person goes on.
      const isAtOnce = at >= path.length - AT_ONCE || exchange.edit !== undefined;
      const view = this.#views.get(exchange) ?? this.#add(exchange, isAtOnce);
      const there = this.#list.children[at];
      if (there !== view.element) this.#list.insertBefore(view.element, there ?? null);
      view.setVersions(() => versionsOf(exchange));
      view.update();
    }
    if (since > 0) this.#list.children[since]?.before(this.#note);
    this.#showBusy();
  }

  /** Scrolls to the end, and stays there as the conversation grows. */
  toEnd() {
    this.#follower.toEnd();
  }

  /** Scrolls as little as it takes to have an exchange in sight. @param {Exchange} exchange */
  reveal(exchange) {
    this.#views.get(exchange)?.element.scrollIntoView({ block: "nearest" });
  }

  /** @param {Exchange} exchange one that is shown */
  viewOf(exchange) {
    return this.#views.get(exchange);
  }

  /** No longer scrolls along as the conversation grows. */
  stopFollowing() {
    this.#follower.stay();
  }

  /** Goes to the question that was being edited last, or else to the end. */
  restorePosition() {
    const view = Array.from(this.#views.values()).findLast(({ field }) => field);
    if (!view) return this.toEnd();
    this.#follower.stay();
    view.element.scrollIntoView({ block: "nearest" });
    // On a touch screen, the keyboard would cover what is shown.
    if (!isTouch()) view.field.focus();
  }

  append(exchange, text, thought) {
    const view = this.#views.get(exchange);
    // There is no view while another conversation or version is shown.
    if (!view) return;
    view.append(text, thought);
    this.#drawing.soon(view);
  }

  /** Shows what has become of an exchange. */
  update(exchange) {
    const view = this.#views.get(exchange);
    if (!view) return;
    view.update();
    this.#showBusy();
    this.#drawing.soon(view);
  }

  /** Shows how an exchange ended, and announces it once it is drawn. */
  end(exchange) {
    const view = this.#views.get(exchange);
    if (!view) return;
    view.update();
    this.#showBusy();
    this.#unspoken.add(view);
    this.#drawing.soon(view);
  }

  /** Has screen readers say something. */
  announce(text) {
    this.#announcer.textContent = text;
  }

  /** Whether an answer is coming. A class tells it: `:has()` would be matched again whenever something is drawn. */
  #showBusy() {
    const isBusy = Array.from(this.#views.keys()).some(({ state }) => state === "streaming");
    this.#list.classList.toggle("busy", isBusy);
  }

  #add(exchange, isAtOnce) {
    const view = new ExchangeView(exchange, this.#actions);
    if (isAtOnce) view.fill();
    this.#views.set(exchange, view);
    this.#drawing.add(view, isAtOnce);
    // Screen readers announce the same words again only if they were cleared in between.
    this.#announcer.textContent = "";
    return view;
  }

  #remove(exchange, view) {
    view.element.remove();
    this.#views.delete(exchange);
    this.#drawing.remove(view);
    this.#unspoken.delete(view);
  }

  #drawn(view) {
    if (this.#unspoken.delete(view)) this.#announcer.textContent = view.spoken();
  }
}
