import { signOutChannel } from "../chat/account/sign-out-channel.js";
import {
  forgetToken,
  forgetTokenOfTab,
  isRemembered,
  isToken,
  loadToken,
  saveToken,
} from "../chat/account/token.js";

const NOT_A_TOKEN = "A token has no spaces or accented letters. Check it and enter it again.";

/** The access token: it is entered here or on the chat page, and serves on both. */
export class Access {
  #form = document.querySelector("#access");
  #field = document.querySelector("#token");
  #remember = document.querySelector("#remember");
  #problem = document.querySelector("#token-problem");
  #given = document.querySelector("#access-given");
  #state = document.querySelector("#access-state");
  /** @type {(() => void) | undefined} */
  #back;

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    document.querySelector("#forget").addEventListener("click", () => {
      forgetToken();
      this.#show();
      this.#field.focus();
    });
    signOutChannel?.addEventListener("message", () => {
      forgetTokenOfTab();
      this.#show();
    });
    // The chat page may have changed it meanwhile.
    document.addEventListener("visibilitychange", () => this.#show());
    addEventListener("storage", () => this.#show());
    this.#show();
  }

  /** Leads the person to where a token is entered, and then back. @param {string} why @param {() => void} back */
  demand(why, back) {
    forgetToken();
    this.#show();
    this.#back = back;
    this.#complain(why);
    this.#field.focus();
  }

  #submit() {
    const token = this.#field.value.trim();
    if (!isToken(token)) {
      this.#complain(NOT_A_TOKEN);
      return this.#field.focus();
    }
    saveToken(token, { remember: this.#remember.checked });
    this.#show();
    if (this.#back) this.#back();
    else document.querySelector("#forget").focus();
    this.#back = undefined;
  }

  #show() {
    const isGiven = loadToken() !== undefined;
    this.#form.hidden = isGiven;
    this.#given.hidden = !isGiven;
    if (!isGiven) {
      this.#state.textContent = "";
      return;
    }
    this.#field.value = "";
    this.#complain("");
    this.#state.textContent = isRemembered()
      ? "This device has your access token. The chat page shares it."
      : "This tab has your access token. The chat page shares it.";
  }

  #complain(problem) {
    this.#problem.textContent = problem;
    this.#field.ariaInvalid = `${problem !== ""}`;
  }
}
