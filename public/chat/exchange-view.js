import { AnswerText } from "./answer.js";
import { copyOnClick } from "./copy.js";

/** What is said of an answer that ended otherwise than by its own last word. */
const ENDINGS = {
  stop: "",
  length: "Cut at the token limit",
  content_filter: "Withheld by the content filter",
  refusal: "Declined by the model",
  tool_calls: "Ended by a call of a tool, which this assistant has none of",
  stopped: "Stopped",
  interrupted: "Interrupted: the page was closed or reloaded",
};

/** What is said where the API has no name for the reason, or this page no words. */
const OTHER = "Ended by the model's server for a reason that this page does not know";

/** To listen to more than this is to read it on the page. */
const LONGEST_SPOKEN = 2000;

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
    copyOnClick(this.#find(".copy-answer"), () => this.#exchange.answer);
    copyOnClick(this.#find(".copy-id"), () => this.#exchange.problem.correlationId);
    this.restart();
  }

  /** Shows the exchange from its beginning. */
  restart() {
    this.#answer = new AnswerText(this.#find(".answer"));
    this.#answer.append(this.#exchange.answer);
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

  /** Shows what has become of the exchange. */
  update() {
    const { state, answer, problem } = this.#exchange;
    this.element.dataset.state = state;
    this.element.classList.toggle("silent", answer === "");
    this.#find(".reply").ariaBusy = `${state === "streaming"}`;
    this.#find(".ending").textContent = this.ending();
    this.#find(".figures").textContent = figures(this.#exchange);
    this.#find(".failure").hidden = !problem;
    this.#find(".failure-error").textContent = problem?.error ?? "";
    this.#find(".failure-detail").textContent = problem?.detail ?? "";
    this.#find(".failure-code").textContent = problem?.code ?? "";
    this.#find(".failure-id").textContent = problem?.correlationId ?? "";
  }

  /** Why the answer ended, unless it is whole or failed. */
  ending() {
    const { state, finishReason } = this.#exchange;
    if (Object.hasOwn(ENDINGS, state)) return ENDINGS[state];
    if (finishReason === undefined) return "";
    return Object.hasOwn(ENDINGS, finishReason) ? ENDINGS[finishReason] : OTHER;
  }

  /** What a listener is told when the answer has ended. */
  spoken() {
    const { problem } = this.#exchange;
    const answer = this.#find(".answer").cloneNode(true);
    for (const head of answer.querySelectorAll(".code-head")) head.remove();
    const text = answer.textContent.trim();
    const heard = text.length > LONGEST_SPOKEN ? `${text.slice(0, LONGEST_SPOKEN)} …` : text;
    const ending = problem ? `${problem.error}. ${problem.detail}` : this.ending();
    return [heard, ending].filter(Boolean).join("\n");
  }

  /** @returns {HTMLElement} */
  #find(selector) {
    return this.element.querySelector(selector);
  }
}

/** @param {import("./conversation.js").Exchange} exchange */
function figures({ usage, firstTokenMs, state }) {
  if (state === "streaming") return "";
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
