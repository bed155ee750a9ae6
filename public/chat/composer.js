import { characters, LIMITS } from "./conversation.js";

/** The counter appears when fewer characters than this are left. */
const NEAR_LIMIT = 500;

/** The field for a message, with the buttons to send it and to stop its answer. */
export class Composer {
  #form = document.querySelector("#composer");
  #field = document.querySelector("#message");
  #send = document.querySelector("#send");
  #stop = document.querySelector("#stop");
  #counter = document.querySelector("#counter");
  #busy = false;
  #onSend;

  /** @param {{ onSend: (message: string) => void, onStop: () => void }} handlers */
  constructor({ onSend, onStop }) {
    this.#onSend = onSend;
    this.#field.addEventListener("input", () => this.#changed());
    this.#field.addEventListener("keydown", (event) => this.#pressed(event));
    this.#stop.addEventListener("click", onStop);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    new ResizeObserver(() => this.#fit()).observe(this.#form);
    this.#changed();
  }

  focus() {
    this.#field.focus();
  }

  /** Puts a text into the field, for the person to finish. @param {string} text */
  write(text) {
    this.#field.value = text;
    this.#changed();
    this.focus();
  }

  /** While an answer is coming, it can be stopped and nothing can be sent. @param {boolean} busy */
  setBusy(busy) {
    const hadFocus = [this.#send, this.#stop].includes(document.activeElement);
    this.#busy = busy;
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    this.#changed();
    // A button that is hidden loses the focus.
    if (hadFocus) this.focus();
  }

  #pressed(event) {
    // With an input method, Enter accepts a word. Older WebKit shows that by the key code alone.
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    }
  }

  #submit() {
    const message = this.#message();
    if (this.#busy || message === "" || this.#excess() > 0) return;
    this.#field.value = "";
    this.#changed();
    this.#onSend(message);
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
    this.#send.disabled = this.#message() === "" || excess > 0;
    this.#field.ariaInvalid = `${excess > 0}`;
    this.#counter.textContent = counterText(excess);
    this.#fit();
  }

  /** Makes the field as high as its text, up to the maximum in the style sheet. */
  #fit() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}

function counterText(excess) {
  if (excess > 0) return `${excess} ${excess === 1 ? "character" : "characters"} too long`;
  return excess > -NEAR_LIMIT ? `${-excess} left` : "";
}
