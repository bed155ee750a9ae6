/** One round of kept answers: many at once, and what has become of them. */
import { setTimeout as sleep } from "node:timers/promises";
import { KeptClient } from "../../support/kept-reader.mjs";
import { randomOf } from "../../support/random.mjs";
import { within } from "../../support/within.mjs";
import { FAILING, KeptAnswer } from "./kept-answer.mjs";
import { memoryOf } from "./memory.mjs";
import { until } from "./until.mjs";

/** Longest wait for the end of one answer: far above what a busy machine needs. */
const ANSWER_MS = 90_000;

/** The kill comes in this time after all answers have begun, in milliseconds. */
const KILL_MS = { least: 500, most: 12_000 };

/**
 * @typedef {object} KeptFigures
 * @property {number} answers
 * @property {number} atOnce Most answers that were open at the same time.
 * @property {number} whole Answers that upstream has ended in good order.
 * @property {number} failed Those that it has not.
 * @property {number} cutOff Those that the kill has cut off.
 * @property {number} leaves How often readers have left and come back.
 * @property {number} frames
 * @property {number} durationMs
 * @property {number} heapBytes What lives in the worker's JavaScript heap when all is over.
 * @property {number} rssBytes Memory of the runtime when all is over; 0 where the system does not tell.
 */

export class KeptRound {
  /** @type {string[]} */
  violations = [];
  /** Resolves once all answers were asked for. @type {Promise<void>} */
  everyone;
  /** Resolves while the process runs. @type {Promise<void>} */
  isUp = Promise.resolve();
  #server;
  #answers;
  #begin;
  #atOnce = 0;
  #open = 0;
  #random;

  /**
   * @param {import('../../support/app.mjs').App} server
   * @param {string[]} tokens of the owners, who share the answers among them
   * @param {string} name what the answers' ids begin with
   */
  constructor(server, tokens, name, count, seed) {
    const { promise, resolve } = Promise.withResolvers();
    this.everyone = promise;
    this.#begin = resolve;
    this.#server = server;
    this.#random = randomOf(seed);
    const clients = tokens.map((token) => new KeptClient(server, token));
    this.#answers = new Map();
    for (let index = 0; index < count; index++) {
      const id = `${name}-${String(index).padStart(4, "0")}`;
      const plan = {
        id,
        client: clients[index % clients.length],
        conversation: `conversation-${id}`,
        // A tenth of the upstreams fail, a third of the readers leave.
        way: index % 10 === 0 ? FAILING[(index / 10) % FAILING.length] : "whole",
        isRestless: this.#random.chance(1 / 3),
      };
      const own = randomOf(this.#random.below(2 ** 32));
      this.#answers.set(id, new KeptAnswer(this, plan, own));
    }
  }

  /** Answers one of the worker's calls. @param {import('../../support/upstream.mjs').Call} call */
  serve(call) {
    const answer = this.#answers.get(call.headers["x-client-request-id"]);
    if (answer === undefined) {
      this.violations.push(`upstream was called for '${call.headers["x-client-request-id"]}'`);
      return;
    }
    this.#open += 1;
    this.#atOnce = Math.max(this.#atOnce, this.#open);
    call.closed.then(() => {
      this.#open -= 1;
    });
    answer.serve(call).catch((error) => this.note(answer, error.message));
    if (this.#open === this.#answers.size) this.#begin();
  }

  note(answer, problem) {
    this.violations.push(`${answer.id} (${answer.way}): ${problem}`);
  }

  /** @returns {Promise<KeptFigures>} */
  async run() {
    const figures = await this.#run();
    return { ...figures, ...(await memoryOf(this.#server)) };
  }

  /** The same, with a kill in the middle: the memory that is left tells nothing then. */
  runWithKill() {
    return this.#run(() => this.#kill());
  }

  async #run(disturb = async () => {}) {
    const started = performance.now();
    const all = [...this.#answers.values()];
    const reading = all.map((answer) =>
      within(answer.read(), "the end of the answer", ANSWER_MS).catch((error) =>
        this.note(answer, error.message),
      ),
    );
    await disturb();
    await Promise.all(reading);
    const durationMs = performance.now() - started;
    await until(() => this.#open === 0);
    if (this.#open > 0) this.violations.push(`${this.#open} calls of upstream are open`);
    for (const answer of all) {
      for (const broken of await answer.broken()) this.note(answer, broken);
    }
    const count = (test) => all.filter(test).length;
    const sum = (figure) => all.reduce((total, answer) => total + figure(answer), 0);
    return {
      answers: all.length,
      atOnce: this.#atOnce,
      whole: count((answer) => answer.way === "whole" && !answer.isCutOff),
      failed: count((answer) => answer.way !== "whole" && !answer.isCutOff),
      cutOff: count((answer) => answer.isCutOff),
      leaves: sum((answer) => answer.leaves),
      frames: sum((answer) => answer.text.split("\n\n").length - 1),
      durationMs,
    };
  }

  async #kill() {
    await within(this.everyone, "the beginning of all answers");
    await sleep(KILL_MS.least + this.#random.below(KILL_MS.most - KILL_MS.least));
    const { promise, resolve } = Promise.withResolvers();
    this.isUp = promise;
    await this.#server.kill();
    await this.#server.start();
    resolve();
  }
}
