import { loadPart } from "../lazy.js";

/** How long a message stays that nobody is pointing at. */
const SHOWN_MS = 7000;

/** A wait that is longer than this is worth a word. */
const SLOW_MS = 1000;

/**
 * A short message with at most one action. It waits while it is pointed at or has the focus, so that nobody has to hurry.
 */
export class Toast {
  #element = document.querySelector("#toast");
  #text = this.#element.querySelector("span");
  #action = this.#element.querySelector("button");
  #timer = 0;
  /** What else is to be told. @type {string[]} */
  #later = [];
  /** @type {{ onAction?: () => void, onGone?: () => void }} */
  #handlers = {};
  #onLeft = () => {};
  #isPointedAt = false;

  constructor() {
    this.#action.addEventListener("click", () => {
      this.#end("onAction");
      this.#next();
    });
    this.#element.addEventListener("pointerenter", ({ pointerType }) => {
      // A finger that has gone still counts as being there.
      this.#isPointedAt = pointerType === "mouse";
      this.#waitOn();
    });
    this.#element.addEventListener("pointerleave", () => {
      this.#isPointedAt = false;
      this.#waitOn();
    });
    this.#element.addEventListener("focusin", () => clearTimeout(this.#timer));
    this.#element.addEventListener("focusout", () => this.#waitOn());
    this.#element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.dismiss();
    });
  }

  /**
   * Shows a message, in place of the one before.
   *
   * @param {string} text
   * @param {{ action?: string, onAction?: () => void, onGone?: () => void }} [options] `onGone` is called when the
   *   message goes without its action
   */
  show(text, { action, ...handlers } = {}) {
    this.#end("onGone");
    this.#handlers = handlers;
    this.#text.textContent = text;
    this.#action.hidden = action === undefined;
    this.#action.textContent = action ?? "";
    this.moveTo(topmost());
    this.#element.hidden = false;
    this.#waitOn();
  }

  /** Says something once the message before it has gone, whose action may still be wanted. @param {string} text */
  tell(text) {
    if (this.#element.hidden) this.show(text);
    else this.#later.push(text);
  }

  /**
   * Says what is being waited for, as long as that takes, if it takes long.
   *
   * @template T
   * @param {string} text
   * @param {Promise<T>} coming
   * @returns {Promise<T>}
   */
  async during(text, coming) {
    const timer = setTimeout(() => this.tell(text), SLOW_MS);
    try {
      return await coming;
    } finally {
      clearTimeout(timer);
      this.#later = this.#later.filter((each) => each !== text);
      if (this.#text.textContent === text) this.dismiss();
    }
  }

  /**
   * Waits for a part of the page that somebody wants to see, and says so if that takes long or fails.
   *
   * @template T
   * @param {string} name of what is loaded
   * @param {() => Promise<T>} load imports it
   * @returns {Promise<T | undefined>} nothing if it cannot be had, or if the person has moved on
   */
  async loading(name, load) {
    const focused = document.activeElement;
    try {
      const loaded = await this.during(`Loading the ${name}…`, loadPart(load));
      if (focused === document.activeElement) return loaded;
    } catch {
      this.tell(`The ${name} could not be loaded. Check that you are online, or reload the page.`);
    }
  }

  /** Ends the message now, as if its time had run out. */
  dismiss() {
    this.#end("onGone");
    this.#next();
  }

  /** Moves the focus to the action. @param {() => void} onLeft moves it on if the message goes meanwhile */
  focus(onLeft) {
    this.#action.focus({ preventScroll: true });
    this.#onLeft = onLeft;
  }

  /** Outside of an open dialog nothing can be used, so the message moves along. @param {Element} place */
  moveTo(place) {
    if (this.#element.parentElement !== place) place.append(this.#element);
  }

  #waitOn() {
    clearTimeout(this.#timer);
    if (this.#element.hidden || this.#isPointedAt || this.#element.matches(":focus-within")) return;
    this.#timer = setTimeout(() => this.dismiss(), SHOWN_MS);
  }

  #end(handler) {
    clearTimeout(this.#timer);
    const hadFocus = this.#element.contains(document.activeElement);
    this.#element.hidden = true;
    this.#isPointedAt = false;
    const { [handler]: call } = this.#handlers;
    this.#handlers = {};
    if (hadFocus) this.#onLeft();
    call?.();
  }

  #next() {
    const text = this.#later.shift();
    if (text !== undefined) this.show(text);
  }
}

function topmost() {
  return Array.from(document.querySelectorAll("dialog:modal")).at(-1) ?? document.body;
}
