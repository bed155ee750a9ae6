/** Asks to confirm in words what cannot be undone, and does it. */
export class ConfirmDialog {
  #dialog = document.querySelector("#confirm-dialog");
  #words = this.#dialog.querySelector("strong").textContent;
  #field = document.querySelector("#confirm-words");
  #problem = document.querySelector("#confirm-problem");
  #button = this.#dialog.querySelector("[type=submit]");
  #onConfirmed;

  /** @param {() => Promise<void>} onConfirmed throws with words about what went wrong */
  constructor(onConfirmed) {
    this.#onConfirmed = onConfirmed;
    this.#dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    document.querySelector("#confirm-cancel").addEventListener("click", () => this.#dialog.close());
  }

  /** @param {string} where everything will be gone */
  open(where) {
    document.querySelector("#confirm-where").textContent = where;
    this.#field.value = "";
    this.#show("");
    this.#dialog.showModal();
  }

  async #submit() {
    const isSame = this.#field.value.trim().toLowerCase() === this.#words;
    if (!isSame) {
      this.#show(`Enter “${this.#words}” if you mean it.`);
      return this.#field.focus();
    }
    this.#show("");
    this.#button.disabled = true;
    try {
      await this.#onConfirmed();
      this.#dialog.close();
    } catch (error) {
      this.#show(error.message);
    } finally {
      this.#button.disabled = false;
    }
  }

  #show(problem) {
    this.#problem.textContent = problem;
    this.#field.ariaInvalid = `${problem !== ""}`;
  }
}
