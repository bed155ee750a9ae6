import { sentencesOf } from "./api.js";
import { isKeptHere } from "./keep/choose.js";

/** Where what the person had written has gone. */
const KEPT_WORDS = "What you had written in it is in the field below.";

/** What stands in the place of a conversation that cannot be shown. */
export class Notices {
  #show;
  #handlers;

  /**
   * @param {(notice: { title: string, text: string, action: string, onAction: () => void }) => void} show
   * @param {object} handlers what the person may do about it
   * @param {() => void} handlers.onBegin
   * @param {() => void} handlers.onRetry
   * @param {() => void} handlers.onSignIn
   */
  constructor(show, handlers) {
    this.#show = show;
    this.#handlers = handlers;
  }

  /** Nothing is at the address. @param {boolean} hasWords whether the person has written something in it */
  missing(hasWords) {
    const text = isKeptHere()
      ? "It may have been deleted. Each browser keeps its own conversations: it may also be in another one."
      : "It may have been deleted, or it belongs to another access token.";
    this.#begin("There is no such conversation", text, hasWords);
  }

  /** The conversation was there before. @param {boolean} hasWords */
  gone(hasWords) {
    const where = isKeptHere() ? "in another tab" : "on another device";
    this.#begin("This conversation is gone", `It was deleted, perhaps ${where}.`, hasWords);
  }

  /** @param {{ problem?: import("./api.js").Problem }} error */
  unreachable({ problem }) {
    this.#show({
      title: "This conversation could not be opened",
      text: problem ? sentencesOf(problem) : "Reload the page.",
      action: "Try again",
      onAction: this.#handlers.onRetry,
    });
  }

  locked() {
    this.#show({
      title: "This conversation needs your access token",
      text: "Enter it, and the conversation is shown.",
      action: "Enter your access token",
      onAction: this.#handlers.onSignIn,
    });
  }

  #begin(title, text, hasWords) {
    this.#show({
      title,
      text: hasWords ? `${text} ${KEPT_WORDS}` : text,
      action: "New conversation",
      onAction: this.#handlers.onBegin,
    });
  }
}
