import { LANGUAGES } from "./snippets.js";

/** The language that all snippets are shown in, once one was chosen. */
const KEY = "docs-language";

/** An operation's request in several languages: it follows the form, and the choice of a language holds everywhere. */
export class Snippets {
  #element;
  #form;

  /**
   * @param {HTMLElement} element
   * @param {import("./try-form.js").TryForm} form
   */
  constructor(element, form) {
    this.#element = element;
    this.#form = form;
    form.onChange = () => this.#write();
    element.addEventListener("change", ({ target }) => choose(target.value));
    const copy = element.querySelector("[name=copy]");
    copy.hidden = false;
    copy.addEventListener("click", () => this.#copy(copy));
    this.#write();
    const chosen = chosenLanguage();
    if (Object.hasOwn(LANGUAGES, chosen)) mark(element, chosen);
  }

  #write() {
    const { example, told } = this.#form;
    for (const [name, { write }] of Object.entries(LANGUAGES)) {
      const code = this.#element.querySelector(`[data-language="${name}"] code`);
      code.textContent = write(example, { origin: location.origin, ...told });
    }
  }

  async #copy(button) {
    const { value } = this.#element.querySelector("input:checked");
    const code = this.#element.querySelector(`[data-language="${value}"]`);
    const isCopied = await navigator.clipboard?.writeText(code.textContent).then(
      () => true,
      () => false,
    );
    button.textContent = isCopied ? "Copied" : "Select the code to copy it";
    if (!isCopied) getSelection().selectAllChildren(code);
    setTimeout(() => {
      button.textContent = "Copy";
    }, 2000);
  }
}

function choose(language) {
  for (const each of document.querySelectorAll(".snippets")) mark(each, language);
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // The choice lasts until the page is left.
  }
}

function mark(element, language) {
  element.querySelector(`input[value="${language}"]`).checked = true;
}

function chosenLanguage() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}
