/** One stream of the soak: what is to be said in it, and what became of it so far. */
import { setTimeout as sleep } from "node:timers/promises";
import { delta } from "../../support/upstream.mjs";

/** Longest pause between two pieces of an answer, in milliseconds. */
const MAX_PAUSE_MS = 250;

/** Longest piece of an answer: about two events. The shortest is a byte. */
const MAX_PIECE_BYTES = 350;

/** What upstream may say between its tokens without adding any text. */
const NOISE = [": a comment\n\n", delta(""), "retry: 5\n\n", "event: ping\n\n"];

/** Whatever may be damaged on its way: escapes, marks of the stream itself, long characters. */
const WORDS = [
  "The",
  " answer",
  " is",
  " 42",
  ".",
  "\n",
  "\n\n",
  "\r\n",
  ' "quoted"',
  " back\\slash",
  "\t",
  "data: ",
  "[DONE]",
  " 你好，世界",
  " Привет",
  " مرحبا",
  " e\u0301",
  " 🙂",
  "👩‍👩‍👧‍👦",
  "\u2028",
  "\u0000",
  "𝔘𝔫𝔦",
  " </script>",
  " ünï",
];

export class Stream {
  /** What the client has read. @type {import('../../support/frames.mjs').Block[]} */
  blocks = [];
  /** How many frames are among it. */
  frameCount = 0;
  /** What the worker asked of upstream. @type {import('../../support/upstream.mjs').Call[]} */
  calls = [];
  /** How many of these exchanges are over. */
  closedCalls = 0;
  /** When the last of them was over, and when the client was: milliseconds of the process's clock. */
  closedAt = 0;
  leftAt = 0;
  /** The whole answer, where it is no stream. @type {{ status: number, text: string } | undefined} */
  refusal;
  #random;
  #left = Promise.withResolvers();
  #readers = new Set();

  /**
   * @param {string} id Its correlation id.
   * @param {import('./kinds.mjs').Kind} kind
   * @param {ReturnType<typeof import('../../support/random.mjs').randomOf>} random
   * @param {Promise<void>} everyone Resolves when all streams of the round are there.
   */
  constructor(id, kind, random, everyone) {
    this.id = id;
    this.kind = kind;
    this.everyone = everyone;
    this.#random = random;
    /** The model's whole answer, token by token. */
    this.contents = Array.from({ length: 20 + random.below(31) }, () => random.pick(WORDS));
    /** After how many of its tokens something happens that is no token. */
    this.turn = random.below(this.contents.length + 1);
    this.message = `Tell me about ${id}.`;
  }

  /** The client has read one more block. */
  read(block) {
    this.blocks.push(block);
    this.frameCount += block.frame === undefined ? 0 : 1;
    for (const wake of this.#readers) {
      wake();
    }
  }

  /** Resolves once the client has read so many frames. */
  async hasRead(count) {
    while (this.frameCount < count) {
      const { promise, resolve } = Promise.withResolvers();
      this.#readers.add(resolve);
      await promise;
      this.#readers.delete(resolve);
    }
  }

  /** The client is done: it has left, or read everything. */
  leave() {
    this.leftAt = performance.now();
    this.#left.resolve();
  }

  /** Resolves when the client is done. */
  get left() {
    return this.#left.promise;
  }

  /** An exchange is over. */
  close() {
    this.closedAt = performance.now();
    this.closedCalls += 1;
  }

  /** How long upstream's connection outlived the client. */
  get lettingGoMs() {
    return Math.max(this.closedAt - this.leftAt, 0);
  }

  /**
   * The events of some tokens, with noise in between; from the end of the answer it goes on with its beginning.
   */
  events(from, to) {
    let text = "";
    for (let index = from; index < to; index++) {
      text += this.#random.chance(0.1) ? this.#random.pick(NOISE) : "";
      text += delta(this.contents[index % this.contents.length]);
    }
    return text;
  }

  /** Has upstream say a text in pieces which respect neither lines nor characters, at a model's pace. */
  async say(call, text) {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + this.#random.below(MAX_PIECE_BYTES);
      call.write(bytes.subarray(at, at + length));
      at += length;
      await sleep(this.#random.below(MAX_PAUSE_MS));
    }
  }
}
