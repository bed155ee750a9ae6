import { loadSettings, loadToken, saveSettings, saveToken } from "./store.js";

const MODEL = /^[\w.:/-]{1,128}$/;
const NOT_A_MODEL =
  "A model’s name has only letters, digits and . _ : / - in it. Correct it, or leave it empty for the default.";
const NOT_A_NUMBER =
  "The longest answer must be a whole number of at least 1. Correct it, or leave it empty for the default.";

/** The settings: model, longest answer, and the stored access token. */
export class SettingsDialog {
  #dialog = document.querySelector("#settings-dialog");
  #model = document.querySelector("#model");
  #maxTokens = document.querySelector("#max-tokens");
  #problem = document.querySelector("#settings-problem");
  #storedToken = document.querySelector("#stored-token");

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
    this.#storedToken.hidden = loadToken() === undefined;
    this.#show("");
    this.#dialog.showModal();
  }

  #submit() {
    const model = this.#model.value.trim();
    const maxTokens = this.#maxTokens.value.trim();
    if (model && !MODEL.test(model)) return this.#show(NOT_A_MODEL, this.#model);
    if (maxTokens && !/^[1-9]\d{0,8}$/.test(maxTokens)) {
      return this.#show(NOT_A_NUMBER, this.#maxTokens);
    }
    saveSettings({ model: model || undefined, maxTokens: Number(maxTokens) || undefined });
    this.#dialog.close();
  }

  #forgetToken() {
    saveToken(undefined);
    this.#storedToken.hidden = true;
    this.#model.focus();
  }

  /** @param {HTMLInputElement} [field] the field to correct */
  #show(problem, field) {
    this.#problem.textContent = problem;
    for (const each of [this.#model, this.#maxTokens]) each.ariaInvalid = `${each === field}`;
    field?.focus();
  }
}
