/** One round: many streams at once, and what has become of them. */
import { randomOf } from "../../support/random.mjs";
import { within } from "../../support/within.mjs";
import { brokenRules } from "./check.mjs";
import { FAILING, LEAVING, WHOLE } from "./kinds.mjs";
import { memoryOf } from "./memory.mjs";
import { Stream } from "./stream.mjs";
import { until } from "./until.mjs";

/**
 * @typedef {object} Figures
 * @property {number} streams
 * @property {number} atOnce Most calls of upstream that were open at the same time.
 * @property {number} completed Whole answers of an upstream that did not fail.
 * @property {number} mended Whole answers of an upstream that failed at first.
 * @property {number} left Clients that left.
 * @property {number} failed Clients that were told of a failure.
 * @property {number} frames Frames that all clients have read.
 * @property {number} durationMs From the first request to the last byte of the last answer.
 * @property {number} lettingGoMs Longest time until upstream was let go of after a client had left.
 * @property {number} openSockets Connections to upstream that are open when all is over.
 * @property {number} heapBytes What lives in the worker's JavaScript heap when all is over.
 * @property {number} rssBytes Memory of the runtime when all is over; 0 where the system does not tell.
 */

/** Longest wait for the end of one client's stream: far above what a busy machine needs. */
const STREAM_MS = 90_000;

export class Round {
  /** @type {string[]} */
  violations = [];
  #app;
  #upstream;
  #linesBefore;
  #arrivals = 0;
  #open = 0;
  #atOnce = 0;
  /** @type {Map<string, Stream>} */
  #streams = new Map();
  #everyone = Promise.withResolvers();

  /**
   * @param {string} name What the streams' ids begin with.
   * @param {number} count How many streams.
   * @param {number} seed
   */
  constructor(app, upstream, name, count, seed) {
    this.#app = app;
    this.#upstream = upstream;
    this.#linesBefore = app.logs.length;
    const random = randomOf(seed);
    kindsOf(count, random).forEach((kind, index) => {
      const id = `${name}-${String(index).padStart(4, "0")}`;
      // A sequence of its own, so that it does not matter who is faster.
      const own = randomOf(random.below(2 ** 32));
      this.#streams.set(id, new Stream(id, kind, own, this.#everyone.promise));
    });
  }

  /** Answers one of the worker's calls. @param {import('../../support/upstream.mjs').Call} call */
  serve(call) {
    const id = call.headers["x-client-request-id"];
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      this.violations.push(`upstream was called for '${id}'`);
      return;
    }
    stream.calls.push(call);
    this.#open += 1;
    this.#atOnce = Math.max(this.#atOnce, this.#open);
    call.closed.then(() => {
      this.#open -= 1;
      stream.close();
    });
    if (stream.calls.length === 1) {
      this.#arrivals += 1;
    }
    if (this.#arrivals === this.#streams.size) {
      this.#everyone.resolve();
    }
    Promise.resolve(stream.kind.serve(call, stream)).catch((error) => this.#note(stream, error));
  }

  /** @returns {Promise<Figures>} */
  async run() {
    const started = performance.now();
    const streams = [...this.#streams.values()];
    await Promise.all(streams.map((stream) => this.#visit(stream)));
    const durationMs = performance.now() - started;

    await until(() => this.#open === 0);
    const openSockets = await this.#socketsLeftOpen();
    await this.#check(streams);
    const left = streams.filter(({ kind }) => kind.leaves);
    const whole = streams.filter(({ kind }) => kind.endReason === "done");
    const mended = whole.filter(({ kind }) => kind.fails);
    return {
      streams: streams.length,
      atOnce: this.#atOnce,
      completed: whole.length - mended.length,
      mended: mended.length,
      left: left.length,
      failed: streams.filter(({ kind }) => kind.code !== undefined).length,
      frames: streams.reduce((sum, stream) => sum + stream.frameCount, 0),
      durationMs,
      lettingGoMs: Math.max(0, ...left.map((stream) => stream.lettingGoMs)),
      openSockets,
      ...(await memoryOf(this.#app)),
    };
  }

  async #visit(stream) {
    try {
      await within(stream.kind.visit(this.#app, stream), "the end of the answer", STREAM_MS);
    } catch (error) {
      this.#note(stream, error);
    }
    stream.leave();
  }

  async #socketsLeftOpen() {
    await until(async () => (await this.#upstream.connections()) === 0);
    const open = await this.#upstream.connections();
    if (open > 0) {
      this.violations.push(`${open} upstream sockets are left open`);
    }
    return open;
  }

  async #check(streams) {
    const lines = await this.#linesOf(streams);
    for (const stream of streams) {
      const records = (lines.get(stream.id) ?? []).map((line) => line.record);
      for (const broken of brokenRules(stream, records)) {
        this.#note(stream, broken);
      }
    }
    const strange = [...lines.values()].flat().filter((line) => line.record.event === undefined);
    this.violations.push(...strange.map((line) => `the runtime said: ${line.text}`));
  }

  /** The log lines of this round by correlation id, when all that is to come has come. */
  async #linesOf(streams) {
    const lines = () =>
      Map.groupBy(this.#app.logs.slice(this.#linesBefore), (line) => line.record.correlation_id);
    await until(() => {
      const soFar = lines();
      const isComplete = (line) => line.record.event === "response_complete";
      return streams.every(({ id }) => soFar.get(id)?.some(isComplete));
    });
    await this.#app.logsArrived();
    return lines();
  }

  #note(stream, problem) {
    const words = problem instanceof Error ? problem.message : problem;
    this.violations.push(`${stream.id} (${stream.kind.name}): ${words}`);
  }
}

/** A tenth of the clients leave and a tenth of the upstreams fail, each in all ways, in no order. */
function kindsOf(count, random) {
  const tenth = Math.round(count / 10);
  const some = (kinds, many) => {
    const order = shuffled(kinds, random);
    return Array.from({ length: many }, (_, index) => order[index % order.length]);
  };
  const kinds = [
    ...some(LEAVING, tenth),
    ...some(FAILING, tenth),
    ...some(WHOLE, count - 2 * tenth),
  ];
  return shuffled(kinds, random);
}

function shuffled(values, random) {
  const result = [...values];
  for (let last = result.length - 1; last > 0; last--) {
    const other = random.below(last + 1);
    [result[last], result[other]] = [result[other], result[last]];
  }
  return result;
}
