import { together } from "./asks.js";
import { characters, LIMITS } from "./history.js";
import { isTouch, onEnter } from "./keys.js";

/** Whether the style sheet alone makes the field as high as its text. To do it here takes two layouts more for each key. */
const FITS_ITSELF = CSS.supports("field-sizing", "content");

/** What a text begins with that is read from the right. To find that out in a megabyte takes a browser a minute. */
const FROM_RIGHT = /^\P{L}*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}]/u;

/** The counter appears when fewer characters than this are left. */
const NEAR_LIMIT = 500;

/** The field for a message, with the buttons to send it and to stop an answer. */
export class Composer {
  #form = document.querySelector("#composer");
  #field = document.querySelector("#message");
  #send = document.querySelector("#send");
  #stop = document.querySelector("#stop");
  #counter = document.querySelector("#counter");
  #busy = false;
  #handlers;

  /**
   * @param {{ onSend: (message: string) => void, onStop: () => void, onDraft: (text: string) => void }} handlers
   *   `onDraft` is told whatever is in the field
   */
  constructor(handlers) {
    this.#handlers = handlers;
    this.#field.addEventListener("input", () => {
      this.#changed();
      handlers.onDraft(this.#field.value);
    });
    onEnter(this.#field, () => this.submit());
    this.#stop.addEventListener("click", handlers.onStop);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    if (isTouch()) this.#field.enterKeyHint = "enter";
    if (!FITS_ITSELF) new ResizeObserver(() => this.#fit()).observe(this.#form);
    this.#changed();
  }

  focus() {
    this.#field.focus();
  }

  /** On a touch screen, the keyboard would cover what is shown. */
  focusUnlessTouch() {
    if (!isTouch()) this.focus();
  }

  get text() {
    return this.#field.value;
  }

  /** Puts a text into the field. @param {string} text */
  set text(text) {
    this.#field.value = text;
    this.#changed();
  }

  /** Puts a text into the field, for the person to finish. @param {string} text */
  write(text) {
    this.text = text;
    this.#handlers.onDraft(text);
    this.focus();
  }

  /** Gives back what was sent and is not asked. It stands before what has been written since. @param {string[]} texts */
  giveBack(...texts) {
    this.text = together(...texts, this.text);
    this.#handlers.onDraft(this.text);
  }

  /** While an answer is coming, it can be stopped, and what is sent waits. @param {boolean} busy */
  setBusy(busy) {
    const focused = document.activeElement;
    this.#busy = busy;
    this.#changed();
    // A button that is hidden loses the focus.
    if ([this.#send, this.#stop].includes(focused) && focused.hidden) this.focus();
  }

  /** Sends what is in the field, if it can be sent. */
  submit() {
    const message = this.#message();
    if (message === "" || this.#excess() > 0) return;
    this.text = "";
    this.#handlers.onDraft("");
    this.#handlers.onSend(message);
  }

  /** The message as the API accepts it: trimmed, and without half surrogate pairs. */
  #message() {
    return this.#field.value.trim().toWellFormed();
  }

  #excess() {
    return characters(this.#message()) - LIMITS.messageCharacters;
  }

  #changed() {
    const excess = this.#excess();
    const isEmpty = this.#message() === "";
    this.#send.disabled = isEmpty || excess > 0;
    this.#send.hidden = this.#busy && isEmpty;
    this.#send.title = this.#busy ? "Send after this answer (Enter)" : "Send (Enter)";
    this.#stop.hidden = !this.#busy;
    this.#form.classList.toggle("both", !this.#send.hidden && !this.#stop.hidden);
    this.#field.ariaInvalid = `${excess > 0}`;
    this.#counter.textContent = counterText(excess);
    setSide(this.#field);
    if (!FITS_ITSELF) this.#fit();
  }

  /** Makes the field as high as its text, up to the maximum in the style sheet. */
  #fit() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}

/** Lets a text be read from the side where it begins. @param {HTMLTextAreaElement} field */
export function setSide(field) {
  field.dir = FROM_RIGHT.test(field.value.slice(0, 1000)) ? "rtl" : "ltr";
}

/** How far a message is from the longest one, where that is near. @param {number} excess @returns {string} */
export function counterText(excess) {
  if (excess > 0) return `${excess} ${excess === 1 ? "character" : "characters"} too long`;
  return excess > -NEAR_LIMIT ? `${-excess} left` : "";
}
