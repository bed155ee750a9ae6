const REFUSED = "That token was not accepted. Check it and enter it again.";
const NOT_A_TOKEN = "A token has no blanks and no special letters. Check it and enter it again.";

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
   * @param {boolean} wasRefused whether there was a token, and it was wrong
   * @returns {Promise<string | undefined>} nothing when no token is given
   */
  ask(wasRefused) {
    this.#field.value = "";
    this.#tell(wasRefused ? REFUSED : "");
    this.#dialog.showModal();
    this.#field.focus();
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  #submit() {
    const token = this.#field.value.trim();
    // Anything else cannot stand in a header.
    if (!/^[\x21-\x7e]+$/.test(token)) return this.#tell(NOT_A_TOKEN);
    this.#finish(token);
    this.#dialog.close();
  }

  #finish(token) {
    this.#field.value = "";
    this.#answer?.(token);
    this.#answer = undefined;
  }

  #tell(words) {
    this.#problem.textContent = words;
    this.#field.ariaInvalid = `${words !== ""}`;
  }
}
