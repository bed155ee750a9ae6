import { AnswerText } from "./answer/answer.js";
import { copyOnClick } from "./answer/copy.js";
import { spokenText } from "./answer/spoken.js";
import { inTime, sentencesOf, whenAgain } from "./api.js";
import { editQuestion } from "./edit-question.js";
import { tryNow } from "./patience.js";
import { isOpen } from "./turns.js";
import { showVersions } from "./versions.js";

/** How an answer ended, by its finish reason or its state. */
const ENDINGS = {
  stop: "",
  length: "Cut off at the length limit",
  content_filter: "Stopped by the content filter",
  refusal: "Declined by the model",
  tool_calls: "The model asked for a tool, which this assistant does not have",
  stopped: "Stopped",
  interrupted: "Interrupted: the page was closed or reloaded",
};
const UNKNOWN_ENDING = "Ended for an unknown reason";

const LOST = "Connection lost, trying again…";
/** All that is known: that nothing has come. The service sends nothing either while it tries again. */
const WAITING = "No answer yet. Still waiting…";

/** From now on, the wait for the first word is worth a word. */
const WAITING_MS = 8000;

const TICK_MS = 1000;

const TEMPLATE = document.querySelector("#exchange");

/** @typedef {ReturnType<import("./turns.js").versionsOf>} Versions */

/** One exchange on the page. It is empty until it is filled: most of a long conversation is never looked at. */
export class ExchangeView {
  #exchange;
  #answer;
  #actions;
  #isFilled = false;
  /** @type {() => Versions} */
  #versions;
  /** The text that the view has, drawn or not. */
  #length = 0;
  #thoughtLength = 0;
  #answerId;
  /** Whether the text has been drawn as a whole one, to which nothing can be added. */
  #isEnded = false;
  #waitTimer = 0;
  #isSlow = false;
  #ticker = 0;
  /** Where the question is being edited. @type {HTMLTextAreaElement | undefined} */
  field;

  /**
   * @param {import("./turns.js").Exchange} exchange
   * @param {import("./transcript.js").Actions} actions
   */
  constructor(exchange, actions) {
    this.element = document.importNode(TEMPLATE.content.firstElementChild, false);
    this.#exchange = exchange;
    this.#actions = actions;
  }

  /** Puts in what an exchange has. */
  fill() {
    if (this.#isFilled) return;
    this.#isFilled = true;
    const { content } = TEMPLATE;
    const exchange = this.#exchange;
    const actions = this.#actions;
    this.element.append(...document.importNode(content, true).firstElementChild.childNodes);
    this.#find(".question p").textContent = exchange.question;
    for (const [name, act] of Object.entries({
      retry: () => actions.retry(exchange),
      again: () => actions.retry(exchange),
      "go-on": () => actions.continueAnswer(exchange),
      "take-back": () => actions.takeBack(exchange),
      "send-now": () => actions.send(exchange),
      "sign-in": () => actions.signIn(exchange),
      "try-now": tryNow,
      edit: () => {
        actions.saveEdit(exchange, exchange.question);
        this.#edit();
        this.field.focus();
      },
    })) {
      this.#find(`.${name}`).addEventListener("click", act);
    }
    copyOnClick(this.#find(".copy-answer"), () => this.#answer.text);
    copyOnClick(this.#find(".copy-id"), () => exchange.problem.correlationId);
    this.#restart();
    if (this.#versions) this.setVersions(this.#versions);
    this.update();
  }

  /** Whether nothing more will come. */
  get isEnded() {
    return this.#isEnded;
  }

  /** @param {string} text @param {string} [thought] what the model thinks */
  append(text, thought = "") {
    // What comes after an end is shown by `update`, which begins again.
    if (!this.#isFilled || this.#isEnded) return;
    if (thought !== "") this.#answer.appendThinking(thought);
    if (text !== "") this.#answer.append(text);
    this.#length += text.length;
    this.#thoughtLength += thought.length;
    if (this.element.classList.contains("silent")) this.update();
  }

  /** @returns {boolean} whether all of it is drawn */
  draw() {
    this.fill();
    this.#isEnded ||= this.#exchange.state !== "streaming";
    return this.#answer.draw(this.#isEnded);
  }

  /** Lets the person leaf through the versions. @param {() => Versions} versions are asked for when they are needed */
  setVersions(versions) {
    this.#versions = versions;
    if (!this.#isFilled) return;
    const { questions, answers } = versions();
    const { choose } = this.#actions;
    const exchange = this.#exchange;
    showVersions(this.#find(".question-versions"), "question", {
      all: questions,
      exchange,
      choose,
    });
    showVersions(this.#find(".answer-versions"), "answer", { all: answers, exchange, choose });
  }

  /** Shows the exchange's state. */
  update() {
    const { state, answer, reasoning, answerId, problem } = this.#exchange;
    this.element.dataset.state = state;
    this.element.dataset.finish = this.#exchange.finishReason ?? "";
    this.element.classList.toggle("silent", isSilent(this.#exchange));
    if (!this.#isFilled) return;
    // It is tried again or goes on after an end, or has another text than the one that was followed.
    const goesOn = this.#isEnded && state === "streaming";
    const isOther = answer.length !== this.#length || reasoning.length !== this.#thoughtLength;
    if (goesOn || answerId !== this.#answerId || isOther) this.#restart();
    this.#watch();
    this.#tick();
    if (this.#exchange.edit !== undefined && !this.field) this.#edit();
    this.#find(".reply").ariaBusy = `${state === "streaming"}`;
    this.#find(".queued p").textContent = whyQueued(this.#exchange.parent);
    this.#find(".ending").textContent = this.ending();
    this.#find(".status").hidden = this.#status() === "";
    this.#find(".status span").textContent = this.#status();
    this.#find(".try-now").hidden = !this.#exchange.trouble;
    this.#showFigures();
    this.#find(".failure").hidden = !problem || state === "streaming";
    this.#find(".sign-in").hidden = problem?.code !== "unauthorized";
    for (const name of ["error", "detail", "code", "correlationId"]) {
      this.#find(`[data-problem=${name}]`).textContent = problem?.[name] ?? "";
    }
    this.#find("[data-problem=again]").textContent = whenAgain(problem?.retryAt);
    this.#find(".request").hidden = !problem?.correlationId;
  }

  /** How the answer ended, or nothing if it is complete or failed. */
  ending() {
    const { state, finishReason, problem } = this.#exchange;
    if (problem) return "";
    if (Object.hasOwn(ENDINGS, state)) return ENDINGS[state];
    if (finishReason === undefined || state === "streaming") return "";
    return Object.hasOwn(ENDINGS, finishReason) ? ENDINGS[finishReason] : UNKNOWN_ENDING;
  }

  /** What screen readers announce when the answer has ended. */
  spoken() {
    const { problem } = this.#exchange;
    const ending = problem ? sentencesOf(problem) : this.ending();
    return [spokenText(this.#find(".answer")), ending].filter(Boolean).join("\n");
  }

  #restart() {
    this.#answer = new AnswerText(this.#find(".answer"));
    const { answer, reasoning } = this.#exchange;
    this.#answer.appendThinking(reasoning, { isKept: true });
    this.#answer.append(answer, { isKept: true });
    this.#length = answer.length;
    this.#thoughtLength = reasoning.length;
    this.#answerId = this.#exchange.answerId;
    this.#isEnded = false;
    this.#isSlow = false;
    clearTimeout(this.#waitTimer);
    this.#waitTimer = 0;
  }

  #status() {
    const { state, trouble, isStopping } = this.#exchange;
    if (state !== "streaming") return "";
    if (!trouble) return this.#isSlow && isSilent(this.#exchange) ? WAITING : "";
    if (trouble.kind === "busy") return `${trouble.reason}. Trying again ${inTime(trouble.until)}…`;
    if (navigator.onLine) return LOST;
    return `You are offline. The answer will ${isStopping ? "stop" : "continue"} when you are back online.`;
  }

  /** Notices when the first word takes long. */
  #watch() {
    const isWaiting = this.#exchange.state === "streaming" && isSilent(this.#exchange);
    if (isWaiting && !this.#waitTimer) {
      this.#waitTimer = setTimeout(() => {
        this.#isSlow = true;
        this.update();
      }, WAITING_MS);
    }
    if (!isWaiting) clearTimeout(this.#waitTimer);
  }

  /** Counts the seconds until something can be tried again, or is. */
  #tick() {
    const { trouble, problem } = this.#exchange;
    clearTimeout(this.#ticker);
    if (!((trouble?.until ?? problem?.retryAt) > Date.now())) return;
    this.#ticker = setTimeout(() => this.element.isConnected && this.update(), TICK_MS);
  }

  #showFigures() {
    const words = figures(this.#exchange);
    this.#find(".figures").hidden = words === "";
    this.#find(".figures p").textContent = words;
  }

  #edit() {
    const exchange = this.#exchange;
    const { saveEdit, edit } = this.#actions;
    this.field = editQuestion(this.#find(".asked"), exchange.edit, {
      onEdit: (text) => saveEdit(exchange, text),
      onEnd: (message) => {
        this.field = undefined;
        if (message === undefined) saveEdit(exchange, undefined);
        else edit(exchange, message);
      },
    });
  }

  /** @returns {HTMLElement} */
  #find(selector) {
    return this.element.querySelector(selector);
  }
}

/** Whether there is nothing to read yet. @param {import("./turns.js").Exchange} exchange */
function isSilent({ answer, reasoning }) {
  return answer === "" && reasoning === "";
}

/** Why a question waits. @param {import("./turns.js").Exchange | undefined} parent what it follows */
function whyQueued(parent) {
  return isOpen(parent) ? "Waiting for the answer above" : "Not sent yet";
}

/** @param {import("./turns.js").Exchange} exchange */
function figures({ answer, model, usage, firstWordMs }) {
  const parts = [];
  if (answer === "" && !usage) return "";
  if (model) parts.push(model);
  if (usage)
    parts.push(`${count(usage.input_tokens)} tokens in, ${count(usage.output_tokens)} out`);
  if (firstWordMs !== undefined) parts.push(`first token after ${duration(firstWordMs)}`);
  return parts.join(" · ");
}

function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function count(tokens) {
  return tokens.toLocaleString("en");
}
