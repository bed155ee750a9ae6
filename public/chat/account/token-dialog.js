import { saveToken } from "./token.js";

const REFUSED = "That token was not accepted. Check it and enter it again.";
const NOT_A_TOKEN = "A token has no spaces or accented letters. Check it and enter it again.";

/** Asks for the access token, and keeps it. It sends the event `given` when there is a new one. */
export class TokenDialog extends EventTarget {
  #dialog = document.querySelector("#token-dialog");
  #field = document.querySelector("#token");
  #remember = document.querySelector("#remember");
  #problem = document.querySelector("#token-problem");
  /** @type {Promise<string | undefined> | undefined} */
  #asked;
  /** @type {(token: string | undefined) => void} */
  #answer = () => {};

  constructor() {
    super();
    this.#dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    document.querySelector("#token-cancel").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#finish(undefined));
  }

  /**
   * Whoever asks while the dialog is open gets the same answer.
   *
   * @param {boolean} wasRefused whether a token was sent and was wrong
   * @returns {Promise<string | undefined>} the token, kept already; `undefined` if the person enters none
   */
  ask(wasRefused) {
    this.#asked ??= new Promise((resolve) => {
      this.#answer = resolve;
      this.#field.value = "";
      this.#show(wasRefused ? REFUSED : "");
      this.#dialog.showModal();
      this.#field.focus();
    });
    return this.#asked;
  }

  #submit() {
    const token = this.#field.value.trim();
    // Nothing else can be sent in the header.
    if (!/^[\x21-\x7e]+$/.test(token)) return this.#show(NOT_A_TOKEN);
    saveToken(token, { remember: this.#remember.checked });
    this.#finish(token);
    this.#dialog.close();
  }

  /** The field keeps its value: a password manager may read it after the dialog has gone. */
  #finish(token) {
    this.#asked = undefined;
    this.#answer(token);
    if (token !== undefined) this.dispatchEvent(new Event("given"));
    this.#answer = () => {};
  }

  #show(problem) {
    this.#problem.textContent = problem;
    this.#field.ariaInvalid = `${problem !== ""}`;
  }
}
