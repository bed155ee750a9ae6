import { loadSettings, loadToken, saveSettings, saveToken } from "./store.js";

const MODEL = /^[\w.:/-]{1,128}$/;
const NOT_A_MODEL =
  "A model’s name has only letters, digits and . _ : / - in it. Correct it, or leave it empty for the service’s own.";
const NOT_A_NUMBER =
  "The longest answer is a whole number of at least 1. Correct it, or leave it empty for the service’s own.";

/** The few things that a person may choose. */
export class SettingsDialog {
  #dialog = document.querySelector("#settings-dialog");
  #model = document.querySelector("#model");
  #maxTokens = document.querySelector("#max-tokens");
  #problem = document.querySelector("#settings-problem");
  #tokenKept = document.querySelector("#token-kept");

  constructor() {
    document.querySelector("#open-settings").addEventListener("click", () => this.#open());
    document
      .querySelector("#settings-cancel")
      .addEventListener("click", () => this.#dialog.close());
    document.querySelector("#forget-token").addEventListener("click", () => this.#forgetToken());
    this.#dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  #open() {
    const { model = "", maxTokens = "" } = loadSettings();
    this.#model.value = model;
    this.#maxTokens.value = `${maxTokens}`;
    this.#tokenKept.hidden = loadToken() === undefined;
    this.#tell("");
    this.#dialog.showModal();
  }

  #submit() {
    const model = this.#model.value.trim();
    const maxTokens = this.#maxTokens.value.trim();
    if (model && !MODEL.test(model)) return this.#tell(NOT_A_MODEL, this.#model);
    if (maxTokens && !/^[1-9]\d{0,8}$/.test(maxTokens)) {
      return this.#tell(NOT_A_NUMBER, this.#maxTokens);
    }
    saveSettings({
      ...(model && { model }),
      ...(maxTokens && { maxTokens: Number(maxTokens) }),
    });
    this.#dialog.close();
  }

  #forgetToken() {
    saveToken(undefined);
    this.#tokenKept.hidden = true;
    this.#model.focus();
  }

  /** @param {HTMLInputElement} [field] the one to correct */
  #tell(words, field) {
    this.#problem.textContent = words;
    for (const each of [this.#model, this.#maxTokens]) each.ariaInvalid = `${each === field}`;
    field?.focus();
  }
}
