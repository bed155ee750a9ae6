const REFUSED = "That token was not accepted. Check it and enter it again.";
const NOT_A_TOKEN = "A token has no spaces or accented letters. Check it and enter it again.";

/** Asks for the access token. */
export class TokenDialog {
  #dialog = document.querySelector("#token-dialog");
  #field = document.querySelector("#token");
  #problem = document.querySelector("#token-problem");
  /** @type {((token: string | undefined) => void) | undefined} */
  #answer;

  constructor() {
    this.#dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    document.querySelector("#token-cancel").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => this.#finish(undefined));
  }

  /**
   * @param {boolean} wasRefused whether a token was sent and was wrong
   * @returns {Promise<string | undefined>} `undefined` if the person enters none
   */
  ask(wasRefused) {
    this.#field.value = "";
    this.#show(wasRefused ? REFUSED : "");
    this.#dialog.showModal();
    this.#field.focus();
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  #submit() {
    const token = this.#field.value.trim();
    // Nothing else can be sent in the header.
    if (!/^[\x21-\x7e]+$/.test(token)) return this.#show(NOT_A_TOKEN);
    this.#finish(token);
    this.#dialog.close();
  }

  #finish(token) {
    this.#field.value = "";
    this.#answer?.(token);
    this.#answer = undefined;
  }

  #show(problem) {
    this.#problem.textContent = problem;
    this.#field.ariaInvalid = `${problem !== ""}`;
  }
}
