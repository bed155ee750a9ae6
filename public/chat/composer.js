import { characters, LIMITS } from "./conversation.js";

/** From here on a counter tells how much room is left. */
const NEAR_LIMIT = 500;

/** Where a message is written, sent, and its answer stopped. */
export class Composer {
  #form = document.querySelector("#composer");
  #field = document.querySelector("#message");
  #send = document.querySelector("#send");
  #stop = document.querySelector("#stop");
  #counter = document.querySelector("#counter");
  #busy = false;
  #onSend;
  #onStop;

  /** @param {{ onSend: (message: string) => void, onStop: () => void }} handlers */
  constructor({ onSend, onStop }) {
    this.#onSend = onSend;
    this.#onStop = onStop;
    this.#field.addEventListener("input", () => this.#changed());
    this.#field.addEventListener("keydown", (event) => this.#pressed(event));
    this.#stop.addEventListener("click", () => this.#onStop());
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

  /** Puts a text into the field, to be finished by hand. @param {string} text */
  write(text) {
    this.#field.value = text;
    this.#changed();
    this.focus();
  }

  /** While an answer comes, it can be stopped and nothing be sent. @param {boolean} busy */
  setBusy(busy) {
    const hadFocus = [this.#send, this.#stop].includes(document.activeElement);
    this.#busy = busy;
    this.#send.hidden = busy;
    this.#stop.hidden = !busy;
    this.#changed();
    // The button under a finger or a key must not take the focus away with it.
    if (hadFocus) this.focus();
  }

  #pressed(event) {
    // An input method takes Enter for its own choice; older WebKit tells so by the key code alone.
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

  /** As the API will have it: without blanks around it, and without halves of characters. */
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

  /** Makes the field as high as its text, as far as its style allows. */
  #fit() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }
}

function counterText(excess) {
  if (excess > 0) return `${excess} ${excess === 1 ? "character" : "characters"} too long`;
  return excess > -NEAR_LIMIT ? `${-excess} left` : "";
}
