import { download } from "../sidebar/download.js";
import { loadSettings, saveSettings } from "../store.js";
import { ConfirmDialog } from "./confirm-dialog.js";
import { isRemembered, loadToken } from "./token.js";

const MODEL = /^[\w.:/-]{1,128}$/;
const NOT_A_MODEL =
  "A model’s name has only letters, digits and . _ : / - in it. Correct it, or leave it empty for the default.";
const NOT_A_NUMBER =
  "The longest answer must be a whole number of at least 1. Correct it, or leave it empty for the default.";

/** The settings, and what can be done with all conversations and with the access token. */
export class SettingsDialog {
  #dialog = document.querySelector("#settings-dialog");
  #model = document.querySelector("#model");
  #maxTokens = document.querySelector("#max-tokens");
  #problem = document.querySelector("#settings-problem");
  #export = document.querySelector("#export-all");
  #instructions = document.querySelector("#settings-instructions");
  #signOutButton = document.querySelector("#sign-out");
  #account = document.querySelector("#settings-account");
  #page;
  #handlers;
  #confirm = new ConfirmDialog(() => this.#removeAll());

  /**
   * @param {import("../page.js").Page} page
   * @param {object} handlers
   * @param {() => void} handlers.onSaved the settings may have changed
   * @param {() => void} handlers.onRemovedAll no conversation is left
   * @param {() => Promise<void>} handlers.onSignOut
   * @param {(error: any) => string} handlers.explain what went wrong, in words for the person
   */
  constructor(page, handlers) {
    this.#page = page;
    this.#handlers = handlers;
    const clicked = {
      "#settings-cancel": () => this.#dialog.close(),
      "#export-all": () => this.#exportAll(),
      "#remove-all": () => this.#askToRemoveAll(),
      "#sign-out": () => this.#signOut(),
    };
    for (const [selector, onClick] of Object.entries(clicked)) {
      document.querySelector(selector).addEventListener("click", onClick);
    }
    this.#dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
  }

  /** @param {import("./model-picker.js").ModelPicker} models */
  open({ canChoose, instructions }) {
    // Where there is a list to choose from, no name is entered here.
    document.querySelector("#settings-model").hidden = canChoose;
    this.#showInstructions(instructions);
    const { model = "", maxTokens = "" } = loadSettings();
    this.#model.value = model;
    this.#maxTokens.value = `${maxTokens}`;
    this.#account.hidden = loadToken() === undefined;
    this.#account.querySelector("span").textContent = isRemembered()
      ? "This device remembers your access token."
      : "Your access token is kept until you close this tab.";
    this.#instructions.open = false;
    this.#show("");
    // A second click may have come before it was loaded.
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  /** Shows what the service tells the assistant first. @param {string | undefined} text none: it does not show that */
  #showInstructions(text = "") {
    const place = this.#instructions.querySelector("section");
    // Some browsers scroll by keyboard only what can have the focus.
    place.tabIndex = 0;
    place.textContent = text;
    this.#instructions.hidden = text === "";
  }

  #submit() {
    const model = this.#model.value.trim();
    const maxTokens = this.#maxTokens.value.trim();
    if (model && !MODEL.test(model)) return this.#show(NOT_A_MODEL, this.#model);
    if (maxTokens && !/^[1-9]\d{0,8}$/.test(maxTokens)) {
      return this.#show(NOT_A_NUMBER, this.#maxTokens);
    }
    saveSettings({ model: model || undefined, maxTokens: Number(maxTokens) || undefined });
    this.#handlers.onSaved();
    this.#dialog.close();
  }

  async #exportAll() {
    this.#export.disabled = true;
    this.#show("");
    try {
      const keeper = await this.#page.keeper;
      download(
        await keeper.exportAll(),
        `conversations-${new Date().toISOString().slice(0, 10)}.jsonl`,
      );
    } catch (error) {
      this.#show(`The conversations could not be exported. ${this.#handlers.explain(error)}`);
    } finally {
      this.#export.disabled = false;
    }
  }

  async #askToRemoveAll() {
    const { kind } = await this.#page.keeper;
    this.#confirm.open(kind === "browser" ? "in this browser" : "on every device");
  }

  async #removeAll() {
    try {
      const keeper = await this.#page.keeper;
      await keeper.removeAll();
    } catch (error) {
      throw new Error(`The conversations could not be deleted. ${this.#handlers.explain(error)}`);
    }
    await this.#page.forgetAll();
    this.#dialog.close();
    this.#page.open();
    this.#handlers.onRemovedAll();
  }

  async #signOut() {
    this.#signOutButton.disabled = true;
    this.#signOutButton.textContent = "Signing out…";
    await this.#handlers.onSignOut();
  }

  /** @param {HTMLInputElement} [field] the field to correct */
  #show(problem, field) {
    this.#problem.textContent = problem;
    for (const each of [this.#model, this.#maxTokens]) each.ariaInvalid = `${each === field}`;
    field?.focus();
  }
}
