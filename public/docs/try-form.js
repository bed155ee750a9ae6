import { loadToken } from "../chat/account/token.js";
import { requestOf } from "./request.js";
import { showResult } from "./result.js";

const NEEDS_TOKEN =
  "This service wants an access token. Enter it here, then send your request again.";
const WRONG_TOKEN = "This service did not accept the token. Check it and enter it again.";

/** The form of an operation: it sends what is filled in, and shows what comes back. */
export class TryForm {
  /** Is called whenever the request changes. */
  onChange = () => {};
  #form;
  #page;
  /** Ends the request that is under way. @type {AbortController | undefined} */
  #current;

  /**
   * @param {HTMLFormElement} form
   * @param {{ access: import("./access.js").Access, lead: (id: string, values: object) => void,
   *   knows: (id: string) => boolean }} page
   */
  constructor(form, page) {
    this.#form = form;
    this.#page = page;
    form.hidden = false;
    form.addEventListener("input", () => this.onChange());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    form.elements.example?.addEventListener("change", ({ target }) => {
      this.fill({ body: target.value });
    });
    form.elements.cancel.addEventListener("click", () => this.#current?.abort());
    form.elements.body?.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
  }

  /** What the form asks for, with an example for what is needed and not yet filled in. */
  get example() {
    return this.#request((field) => field.value.trim() || field.dataset.example || "");
  }

  /** What snippets have to know beside it. */
  get told() {
    const filled = this.#fields().filter(({ value }) => value !== "");
    return {
      wantsToken: "token" in this.#form.dataset,
      isStream: "stream" in this.#form.dataset,
      mayBeEmpty: filled.some(({ name }) => ["Last-Event-ID", "after"].includes(name)),
    };
  }

  /** @param {Record<string, string>} values by the names of their fields */
  fill(values) {
    for (const [name, value] of Object.entries(values)) {
      const field = this.#form.elements[name];
      field.value = value;
      if (name === "body") field.rows = Math.min(value.split("\n").length, 24);
      const folded = field.closest("details");
      if (folded) folded.open = true;
    }
    this.onChange();
  }

  /** Leads the person here. */
  focus() {
    this.#form.scrollIntoView({ block: "center" });
    this.#form.querySelector("[type=submit]").focus();
  }

  /** @param {(field: HTMLInputElement) => string} read @returns {import("./request.js").Request} */
  #request(read) {
    const { method, path } = this.#form.dataset;
    const { body, accept } = this.#form.elements;
    const more = { body: body?.value, accept: accept?.value };
    return requestOf({ method, path }, this.#fields(read), more);
  }

  #fields(read = (field) => field.value.trim()) {
    const inputs = this.#form.querySelectorAll("input[data-in]");
    return Array.from(inputs, (field) => ({
      in: field.dataset.in,
      name: field.name,
      value: read(field),
    }));
  }

  async #send() {
    this.#current?.abort();
    const abort = new AbortController();
    this.#current = abort;
    const request = this.#request();
    const { cancel } = this.#form.elements;
    cancel.hidden = false;
    const token = "token" in this.#form.dataset ? loadToken() : undefined;
    const status = await showResult(this.#form.querySelector(".result"), request, {
      token,
      signal: abort.signal,
      next: (response) => this.#next(request, response),
      onDemand: () =>
        this.#page.access.demand(token ? WRONG_TOKEN : NEEDS_TOKEN, () => this.focus()),
    });
    if (this.#current !== abort) return status;
    this.#current = undefined;
    if (document.activeElement === cancel) this.#form.querySelector("[type=submit]").focus();
    cancel.hidden = true;
    return status;
  }

  /** What can be done with an answer. @returns {{ title: string, go: () => void }[]} */
  #next({ body }, response) {
    const answer = response.headers.get("x-answer-id");
    const conversation = conversationIn(body);
    const steps = [
      answer && ["answer", "Read it again", { id: answer }],
      answer && ["stop", "Stop it", { id: answer }],
      answer && conversation && ["conversation", "See the conversation", { id: conversation }],
    ];
    return steps
      .filter((step) => step && this.#page.knows(step[0]))
      .map(([id, title, values]) => ({ title, go: () => this.#page.lead(id, values) }));
  }
}

function conversationIn(body) {
  try {
    return JSON.parse(body).conversation_id;
  } catch {
    return undefined;
  }
}
