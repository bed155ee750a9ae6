import { ExchangeView } from "./exchange-view.js";
import { Follower } from "./scroll.js";

const FORGOTTEN = "What stands above no longer fits, so the assistant does not see it";

/** The conversation on the page: its exchanges, drawn frame by frame. */
export class Transcript {
  #list = document.querySelector("#exchanges");
  #welcome = document.querySelector("#welcome");
  #announcer = document.querySelector("#announcer");
  #follower = new Follower(document.querySelector("#scroller"), document.querySelector("#jump"));
  #note = document.createElement("li");
  /** @type {Map<import("./conversation.js").Exchange, ExchangeView>} */
  #views = new Map();
  #undrawn = new Set();
  #untold = new Set();
  #frame = 0;
  #onRetry;

  /** @param {(exchange: import("./conversation.js").Exchange) => void} onRetry */
  constructor(onRetry) {
    this.#onRetry = onRetry;
    this.#note.className = "forgotten";
    this.#note.textContent = FORGOTTEN;
    this.clear();
  }

  clear() {
    this.#views.clear();
    this.#undrawn.clear();
    this.#untold.clear();
    this.#list.replaceChildren();
    this.#welcome.hidden = false;
  }

  add(exchange) {
    const view = new ExchangeView(exchange, () => this.#onRetry(exchange));
    this.#views.set(exchange, view);
    this.#list.append(view.element);
    this.#welcome.hidden = true;
    this.#begin(view);
  }

  /** Begins an exchange anew. */
  restart(exchange) {
    const view = this.#views.get(exchange);
    view.restart();
    this.#begin(view);
  }

  append(exchange, text) {
    const view = this.#views.get(exchange);
    // A new conversation may have begun.
    if (!view) return;
    view.append(text);
    this.#drawSoon(view);
  }

  /** Shows how an exchange ended, and tells those who listen. */
  end(exchange) {
    const view = this.#views.get(exchange);
    if (!view) return;
    view.update();
    this.#untold.add(view);
    this.#drawSoon(view);
  }

  say(words) {
    this.#announcer.textContent = words;
  }

  /** Shows from which exchange on the assistant knows the conversation. @param {number} since */
  rememberedSince(since) {
    this.#note.remove();
    if (since > 0) this.#list.children[since]?.before(this.#note);
  }

  #begin(view) {
    this.#drawSoon(view);
    this.#follower.toEnd();
    // Words that are told twice are heard twice only when they were gone in between.
    this.say("");
  }

  #drawn(view) {
    this.#undrawn.delete(view);
    if (this.#untold.delete(view)) this.say(view.spoken());
  }

  #drawSoon(view) {
    this.#undrawn.add(view);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** One view a frame is enough to keep up, the latest first: it is the one in sight. */
  #draw() {
    this.#frame = 0;
    const view = Array.from(this.#undrawn).at(-1);
    if (!view) return;
    if (view.draw()) this.#drawn(view);
    this.#follower.follow();
    if (this.#undrawn.size > 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }
}
