/** One kept answer of the soak: what upstream says of it, and a reader who leaves and comes back, whatever happens. */
import { setTimeout as sleep } from "node:timers/promises";
import { errorEnding } from "../../support/errors.mjs";
import { INTERRUPTED, keptFrames, parseFrames } from "../../support/kept-reader.mjs";
import { done, event, finish, usage } from "../../support/upstream.mjs";
import { Stream } from "./stream.mjs";

/** How long a reader stays away, at the most, in milliseconds. */
const MAX_ABSENCE_MS = 1_500;

/** Longest wait for a frame, in milliseconds: all answers of a round have to begin first. */
const PATIENCE_MS = 60_000;

/** How often a reader leaves that does, at the most. */
const MAX_LEAVES = 3;

const COMPLETE = {
  finish_reason: "stop",
  usage: { input_tokens: 9, output_tokens: 40, total_tokens: 49 },
};
const END = finish("stop") + usage(9, 40) + done;

/**
 * How upstream ends an answer, once it has said all that it will, and how the final frame tells that. A refusal comes
 * before anything is said, and nothing is kept of it.
 *
 * @type {Record<string, { serve: (call: import('../../support/upstream.mjs').Call) => void, ending?: object, isCut?: boolean }>}
 */
const WAYS = {
  whole: { serve: (call) => call.end(END), ending: COMPLETE },
  reset: { serve: (call) => call.cut(), ending: errorEnding("upstream_truncated"), isCut: true },
  error: {
    serve: (call) => call.write(event({ error: { code: "insufficient_quota" } })),
    ending: errorEnding("upstream_quota"),
    isCut: true,
  },
  rubbish: {
    serve: (call) => call.write("data: {\n\n"),
    ending: errorEnding("upstream_protocol"),
    isCut: true,
  },
  refusal: { serve: (call) => call.respond(401, {}) },
};

/** The ways in which upstream fails. */
export const FAILING = Object.keys(WAYS).filter((name) => name !== "whole");

export class KeptAnswer {
  /** The whole frames that the reader has got, through all of its connections. */
  text = "";
  /** What upstream was asked. @type {import('../../support/upstream.mjs').Call[]} */
  calls = [];
  /** How often the reader has left. */
  leaves = 0;
  /** Whether nothing is kept of it, since upstream has refused it. */
  isRefused = false;
  #client;
  #conversation;
  #random;
  #round;
  #stream;
  #way;
  #leavesLeft;

  /**
   * @param {import('./kept-round.mjs').KeptRound} round
   * @param {{ id: string, client: import('../../support/kept-reader.mjs').KeptClient, conversation: string, way: string, isRestless: boolean }} plan
   * @param {ReturnType<typeof import('../../support/random.mjs').randomOf>} random
   */
  constructor(round, { id, client, conversation, way, isRestless }, random) {
    this.id = id;
    this.way = way;
    this.#round = round;
    this.#client = client;
    this.#conversation = conversation;
    this.#random = random;
    this.#way = WAYS[way];
    this.#leavesLeft = isRestless ? 1 + random.below(MAX_LEAVES) : 0;
    this.#stream = new Stream(id, undefined, random, undefined);
  }

  /** What upstream says, token by token. */
  get contents() {
    const { contents, turn } = this.#stream;
    return this.#way.isCut ? contents.slice(0, turn) : contents;
  }

  /** Answers the worker's call, once all answers of the round are there. */
  async serve(call) {
    this.calls.push(call);
    await this.#round.everyone;
    if (this.#way.ending !== undefined) {
      call.open();
      await this.#stream.say(call, this.#stream.events(0, this.contents.length));
    }
    this.#way.serve(call);
  }

  /** Reads the answer to its end, through whatever comes. */
  async read() {
    let reader = this.#ask();
    for (;;) {
      const isLeaving = this.#leavesLeft > 0;
      if (isLeaving) {
        this.#leavesLeft -= 1;
        await Promise.race([reader.hasRead(this.#random.below(15), PATIENCE_MS), reader.ended]);
        this.leaves += 1;
        await reader.leave();
      }
      await reader.ended;
      this.#take(reader);
      if (this.isRefused || parseFrames(this.text).at(-1)?.is_final) return;
      await this.#round.isUp;
      if (isLeaving) await sleep(this.#random.below(MAX_ABSENCE_MS));
      await this.#round.isUp;
      reader = this.#comeBack();
    }
  }

  #take(reader) {
    if (reader.status !== 200) {
      // Without a status, the process was killed, or the reader has left.
      this.isRefused = reader.status === 502 || reader.status === 404;
      if (reader.status !== 0 && !this.isRefused) this.#round.note(this, `status ${reader.status}`);
      return;
    }
    const blocks = reader.text.split("\n\n").slice(0, -1);
    this.text += blocks
      .filter((block) => !block.startsWith(":"))
      .map((block) => `${block}\n\n`)
      .join("");
  }

  #ask(headers) {
    const { id } = this;
    const question = { conversation: this.#conversation, message: `Tell me about ${id}.` };
    return this.#client.ask({ ...question, key: id, asker: id, after: null }, headers);
  }

  /** The reader asks for what follows what it has, in one of the ways that there are. */
  #comeBack() {
    const last = parseFrames(this.text).length - 1;
    if (last < 0) return this.#ask();
    return this.#random.pick([
      () => this.#client.read(this.id, last),
      () => this.#ask({ "last-event-id": `${this.id}.${last}` }),
    ])();
  }

  /** The rules that are broken, in words. */
  async broken() {
    if (this.isRefused) {
      return this.way === "refusal" ? [] : ["it was refused, or forgotten"];
    }
    const stored = this.#client.read(this.id);
    const text = await stored.whole();
    const final = parseFrames(text).at(-1);
    const broken = [];
    if (text !== this.text) broken.push(`read ${tail(this.text)}, kept ${tail(text)}`);
    const kept = { turn_id: final?.turn_id, history_turns: 0 };
    const isCutOff = final?.code === "interrupted";
    const ending = isCutOff ? INTERRUPTED : this.#way.ending;
    const count = isCutOff ? final.sequence : this.contents.length;
    const said = this.contents.slice(0, count);
    const whole = keptFrames({ id: this.id, asker: this.id }, said, { ...ending, ...kept });
    if (text !== whole) broken.push(`kept ${tail(text)}, expected ${tail(whole)}`);
    if (this.calls.length > 1) broken.push(`${this.calls.length} calls of upstream`);
    this.isCutOff = isCutOff;
    return broken;
  }
}

const tail = (text) => JSON.stringify(text.slice(-300));
