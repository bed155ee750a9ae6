import { ownScript } from "../own-script.js";

/** Longest time to answer a question, and to load what that needs. */
const ANSWERING_MS = 2_000;
const LOADING_MS = 30_000;

/**
 * A worker of ours. It is asked one question at a time, says "ready" when it has loaded what the answer needs, and then
 * answers; or says "failed" when that cannot be loaded.
 */
export class Helper {
  #load;
  /** @type {Worker | undefined} */
  #worker;

  /** @param {() => Promise<{ address: string }>} load imports the worker's module */
  constructor(load) {
    this.#load = load;
  }

  /**
   * Asks a question. Without an answer in time the worker is ended, and the next question gets a new one.
   *
   * @template Question, Answer
   * @param {Question} question
   * @returns {Promise<Answer | undefined>} nothing if the answer takes too long
   * @throws if the worker cannot be loaded
   */
  async ask(question) {
    try {
      const { address } = await this.#load();
      this.#worker ??= new Worker(ownScript(address), { type: "module" });
      this.#worker.postMessage(question);
      if ((await this.#reply(LOADING_MS)) === "failed") throw new Error("It cannot be loaded");
    } catch (error) {
      this.#end();
      throw error;
    }
    return this.#reply(ANSWERING_MS).catch(() => this.#end());
  }

  #end() {
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  #reply(milliseconds) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(reject, milliseconds);
      this.#worker.onmessage = ({ data }) => {
        clearTimeout(timer);
        resolve(data);
      };
      this.#worker.onerror = (event) => {
        event.preventDefault();
        clearTimeout(timer);
        reject(event);
      };
    });
  }
}
