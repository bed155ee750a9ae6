import { AnswerText } from "./answer/answer.js";
import { copyOnClick } from "./answer/copy.js";
import { spokenText } from "./answer/spoken.js";

/** How an answer ended, by its finish reason or its state. */
const ENDINGS = {
  stop: "",
  length: "Cut off at the token limit. Ask it to go on.",
  content_filter: "Stopped by the content filter",
  refusal: "Declined by the model",
  tool_calls: "The model asked for a tool, which this assistant does not have",
  stopped: "Stopped",
  interrupted: "Interrupted: the page was closed or reloaded",
};
const UNKNOWN_ENDING = "Ended for an unknown reason";

/** One exchange on the page. */
export class ExchangeView {
  #exchange;
  #answer;

  /**
   * @param {import("./conversation.js").Exchange} exchange
   * @param {() => void} onRetry
   */
  constructor(exchange, onRetry) {
    const { content } = document.querySelector("#exchange");
    this.element = document.importNode(content, true).firstElementChild;
    this.#exchange = exchange;
    this.#find(".question p").textContent = exchange.question;
    this.#find(".retry").addEventListener("click", onRetry);
    copyOnClick(this.#find(".copy-answer"), () => this.#answer.text);
    copyOnClick(this.#find(".copy-id"), () => this.#exchange.problem.correlationId);
    this.restart();
  }

  /** Shows the exchange from its start. */
  restart() {
    this.#answer = new AnswerText(this.#find(".answer"));
    this.#answer.append(this.#exchange.answer, { isKept: true });
    this.update();
  }

  /** @param {string} text */
  append(text) {
    this.#answer.append(text);
    if (this.element.classList.contains("silent")) this.update();
  }

  /** @returns {boolean} whether all of it is drawn */
  draw() {
    return this.#answer.draw(this.#exchange.state !== "streaming");
  }

  /** Shows the exchange's state. */
  update() {
    const { state, answer, problem } = this.#exchange;
    this.element.dataset.state = state;
    this.element.classList.toggle("silent", answer === "");
    this.#find(".reply").ariaBusy = `${state === "streaming"}`;
    this.#find(".ending").textContent = this.ending();
    this.#find(".figures").textContent = figures(this.#exchange);
    this.#find(".failure").hidden = !problem;
    for (const name of ["error", "detail", "code", "correlationId"]) {
      this.#find(`[data-problem=${name}]`).textContent = problem?.[name] ?? "";
    }
  }

  /** How the answer ended, or nothing if it is complete or failed. */
  ending() {
    const { state, finishReason } = this.#exchange;
    if (Object.hasOwn(ENDINGS, state)) return ENDINGS[state];
    if (finishReason === undefined) return "";
    return Object.hasOwn(ENDINGS, finishReason) ? ENDINGS[finishReason] : UNKNOWN_ENDING;
  }

  /** What screen readers announce when the answer has ended. */
  spoken() {
    const { problem } = this.#exchange;
    const ending = problem ? `${problem.error}. ${problem.detail}` : this.ending();
    return [spokenText(this.#find(".answer")), ending].filter(Boolean).join("\n");
  }

  /** @returns {HTMLElement} */
  #find(selector) {
    return this.element.querySelector(selector);
  }
}

/** @param {import("./conversation.js").Exchange} exchange */
function figures({ usage, firstTokenMs }) {
  const parts = [];
  if (usage)
    parts.push(`${count(usage.input_tokens)} tokens in, ${count(usage.output_tokens)} out`);
  if (firstTokenMs !== undefined) parts.push(`first token after ${duration(firstTokenMs)}`);
  return parts.join(" · ");
}

function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function count(tokens) {
  return tokens.toLocaleString("en");
}
