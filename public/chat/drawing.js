import { ownFrame } from "./animation-frames.js";
import { whenIdle } from "./idle.js";

/** After so long, an animation frame draws no further exchange: the rest of it is for scrolling and typing. */
const BUDGET_MS = 8;

/** @typedef {import("./exchange-view.js").ExchangeView} ExchangeView */

/**
 * Draws exchanges piece by piece: those near what is in sight in animation frames, the others when there is nothing else
 * to do. So a long conversation is there at once, and still all of it can be found, read out and printed.
 */
export class Drawing {
  /** Those that are not drawn as far as they have come. @type {Set<ExchangeView>} */
  #waiting = new Set();
  /** @type {Set<ExchangeView>} */
  #near = new Set();
  /** @type {Map<Element, ExchangeView>} */
  #views = new Map();
  /** @type {Promise<void> | undefined} */
  #frame;
  #isIdleAsked = false;
  #sight;
  #onDrawn;

  /**
   * @param {HTMLElement} scroller
   * @param {(view: ExchangeView) => void} onDrawn is told when all of an exchange is drawn that there is
   */
  constructor(scroller, onDrawn) {
    this.#onDrawn = onDrawn;
    this.#sight = new IntersectionObserver((entries) => this.#look(entries), {
      root: scroller,
      rootMargin: "100%",
    });
    // Captured, it comes before that of what is drawn by then.
    addEventListener("beforeprint", () => this.#drawAll(), { capture: true });
  }

  /** @param {ExchangeView} view @param {boolean} isNear whether it is near what will be in sight, for all one knows */
  add(view, isNear) {
    this.#views.set(view.element, view);
    if (isNear) this.#near.add(view);
    this.#sight.observe(view.element);
    this.soon(view);
  }

  /** @param {ExchangeView} view */
  remove(view) {
    this.#views.delete(view.element);
    this.#near.delete(view);
    this.#waiting.delete(view);
    this.#sight.unobserve(view.element);
  }

  clear() {
    for (const view of this.#views.values()) this.remove(view);
  }

  /** There is more to draw. @param {ExchangeView} view */
  soon(view) {
    this.#waiting.add(view);
    this.#ask();
  }

  #look(entries) {
    for (const { target, isIntersecting } of entries) {
      const view = this.#views.get(target);
      if (view && isIntersecting) this.#near.add(view);
      else this.#near.delete(view);
    }
    this.#ask();
  }

  #ask() {
    if (this.#next(true)) this.#frame ??= ownFrame().then(() => this.#drawNear());
    else if (this.#waiting.size > 0 && !this.#isIdleAsked) {
      this.#isIdleAsked = true;
      whenIdle((mayGoOn) => this.#drawFar(mayGoOn));
    }
  }

  /** The latest of those that wait: the end is what is read first. @param {boolean} isNear whether only near ones count */
  #next(isNear) {
    return Array.from(this.#waiting).findLast((view) => !isNear || this.#near.has(view));
  }

  #drawNear() {
    this.#frame = undefined;
    const deadline = performance.now() + BUDGET_MS;
    for (const view of Array.from(this.#waiting).reverse()) {
      if (this.#near.has(view)) this.#draw(view);
      if (performance.now() > deadline) break;
    }
    this.#ask();
  }

  #drawFar(mayGoOn) {
    this.#isIdleAsked = false;
    do {
      const view = this.#next(false);
      if (!view || this.#next(true)) break;
      this.#draw(view);
    } while (mayGoOn());
    this.#ask();
  }

  #draw(view) {
    if (!view.draw()) return;
    this.#waiting.delete(view);
    this.#onDrawn(view);
  }

  #drawAll() {
    for (const view of this.#waiting) {
      while (!view.draw() && view.isEnded);
      this.#waiting.delete(view);
      this.#onDrawn(view);
    }
  }
}
