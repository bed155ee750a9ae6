import { ExchangeView } from "./exchange-view.js";
import { Follower } from "./scroll.js";

const FORGOTTEN = "The conversation is long: the assistant no longer sees what is above this line";

/** The conversation on the page. Its exchanges are drawn piece by piece, in animation frames. */
export class Transcript {
  #list = document.querySelector("#exchanges");
  #welcome = document.querySelector("#welcome");
  #announcer = document.querySelector("#announcer");
  #follower = new Follower(document.querySelector("#scroller"), document.querySelector("#jump"));
  #note = document.createElement("li");
  /** @type {Map<import("./conversation.js").Exchange, ExchangeView>} */
  #views = new Map();
  #undrawn = new Set();
  #unspoken = new Set();
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
    this.#unspoken.clear();
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

  /** Shows an exchange that is being tried again. */
  restart(exchange) {
    const view = this.#views.get(exchange);
    view.restart();
    this.#begin(view);
  }

  append(exchange, text) {
    const view = this.#views.get(exchange);
    // There is no view once a new conversation has begun.
    if (!view) return;
    view.append(text);
    this.#drawSoon(view);
  }

  /** Shows how an exchange ended, and announces it once it is drawn. */
  end(exchange) {
    const view = this.#views.get(exchange);
    if (!view) return;
    view.update();
    this.#unspoken.add(view);
    this.#drawSoon(view);
  }

  /** Marks the exchange from which on the assistant sees the conversation. @param {number} since */
  rememberedSince(since) {
    this.#note.remove();
    if (since > 0) this.#list.children[since]?.before(this.#note);
  }

  #begin(view) {
    this.#drawSoon(view);
    this.#follower.toEnd();
    // Screen readers announce the same words again only if they were cleared in between.
    this.#announcer.textContent = "";
  }

  #drawSoon(view) {
    this.#undrawn.add(view);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** Draws one view in each animation frame, the latest first: it is the one in sight. */
  #draw() {
    this.#frame = 0;
    const view = Array.from(this.#undrawn).at(-1);
    if (!view) return;
    if (view.draw()) {
      this.#undrawn.delete(view);
      if (this.#unspoken.delete(view)) this.#announcer.textContent = view.spoken();
    }
    this.#follower.follow();
    if (this.#undrawn.size > 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }
}
