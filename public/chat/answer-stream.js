import { createParser } from "eventsource-parser";
import { ChatError, CONNECTION_LOST, INVALID_ANSWER, parseObject } from "./api.js";
import {
  busy,
  isBusy,
  isPassing,
  LOST,
  MOST_REFUSALS,
  onWake,
  pause,
  pauseMs,
  waitOut,
} from "./patience.js";

/**
 * @typedef {import("./patience.js").OnTrouble} OnTrouble
 *
 * @typedef {object} Frame One event of an answer; openapi.json describes its fields.
 * @property {string} content
 * @property {string} [reasoning] what the model thinks
 * @property {number} sequence
 * @property {boolean} is_final
 * @property {string} [finish_reason]
 * @property {{ input_tokens: number, output_tokens: number, total_tokens: number }} [usage]
 * @property {string} [model] the one that answered, where another may have done so than was asked for
 * @property {string} [turn_id] the turn that the answer is kept as
 * @property {number} [history_turns] how many earlier turns the model saw
 * @property {string} [error] why it failed, with `detail` and `code`
 */

/** Far longer than any frame. It bounds the memory that an endless line takes. */
const MAX_FRAME_LENGTH = 4_000_000;

/** Once a response has begun, it is never silent for longer than 15 seconds. One that is silent for so long is lost. */
const SILENCE_MS = 35_000;

/** A connection that says nothing while the device comes back online is given up sooner. */
const SUSPECT_MS = 3_000;

/**
 * Reads the frames of one response, up to the final one.
 *
 * @param {Response & { correlationId: string }} response
 * @param {() => void} [onBytes] is called whenever something comes, comments included
 * @returns {AsyncGenerator<Frame, void, void>}
 * @throws {ChatError} when the response ends without a final frame
 */
export async function* framesIn(response, onBytes = () => {}) {
  const { correlationId } = response;
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) {
    throw new ChatError(INVALID_ANSWER, correlationId, response);
  }
  const events = [];
  const parser = createParser({
    maxBufferSize: MAX_FRAME_LENGTH,
    onEvent: ({ data }) => events.push(data),
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new ChatError(CONNECTION_LOST, correlationId);
      onBytes();
      parser.feed(value);
      for (const data of events.splice(0)) {
        const frame = parseObject(data);
        if (typeof frame?.content !== "string") throw new ChatError(INVALID_ANSWER, correlationId);
        yield frame;
        if (frame.is_final) return;
      }
    }
  } catch (error) {
    throw error instanceof ChatError ? error : new ChatError(CONNECTION_LOST, correlationId);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * Reads a kept answer: each frame once and in order, the final one last, through any number of lost connections.
 *
 * @param {(after: number | undefined, signal: AbortSignal) => Promise<Response>} connect asks for the frames after a
 *   sequence; all of them, if there is none yet
 * @param {{ after?: number, signal: AbortSignal, onTrouble?: OnTrouble }} options
 * @returns {AsyncGenerator<Frame, void, void>}
 * @throws {ChatError} when the answer cannot be had
 */
export async function* readAnswer(connect, { after, signal, onTrouble = () => {} }) {
  let failures = 0;
  let refusals = 0;
  for (;;) {
    const attempt = new Attempt(signal);
    try {
      const response = await connect(after, attempt.signal);
      attempt.hear();
      if (response.status === 204) return;
      for await (const frame of framesIn(response, () => attempt.hear())) {
        failures = 0;
        onTrouble();
        after = frame.sequence;
        yield frame;
        if (frame.is_final) return;
      }
    } catch (error) {
      if (signal.aborted) throw error;
      const isSilent = attempt.signal.aborted && error.status === undefined;
      if (isBusy(error) && refusals < MOST_REFUSALS) {
        refusals += 1;
        await waitOut(error, signal, onTrouble);
        continue;
      }
      if (!isSilent && !isPassing(error, failures > 0 || after !== undefined)) throw error;
      failures += 1;
      // Nothing is sent until the model's server answers. So a silence before the first word may be in good order.
      if (isSilent && !attempt.hasHeard) continue;
      // What would wake it may have come before it could fail.
      const ms = attempt.wake ? 0 : pauseMs(failures, error);
      onTrouble(error.status === 429 ? busy(error, ms) : LOST);
      await pause(ms, signal);
    } finally {
      attempt.end();
    }
  }
}

/** One connection, which is given up when it stays silent. */
class Attempt {
  hasHeard = false;
  /** The event since it began after which the network may be there again. @type {string | undefined} */
  wake;
  #abort = new AbortController();
  #over = new AbortController();
  #heard = Date.now();
  #timer;

  /** @param {AbortSignal} signal gives it up, too */
  constructor(signal) {
    if (signal.aborted) this.#abort.abort();
    signal.addEventListener("abort", () => this.#abort.abort(), { signal: this.#over.signal });
    this.#watch();
    // Timers stand still while a device sleeps, so the clock is asked when it wakes.
    const over = { signal: this.#over.signal };
    onWake((type) => this.#check(type), over.signal);
    // Nothing else would tell soon that this connection is dead. If it is not, another one is had at once.
    addEventListener("offline", () => this.#abort.abort(), over);
  }

  get signal() {
    return this.#abort.signal;
  }

  hear() {
    this.hasHeard = true;
    this.#heard = Date.now();
  }

  end() {
    this.#over.abort();
    clearTimeout(this.#timer);
  }

  #watch() {
    const left = this.#heard + SILENCE_MS - Date.now();
    this.#timer = setTimeout(() => this.#check() || this.#watch(), Math.max(left, 0));
  }

  #check(wake) {
    this.wake ??= wake;
    const ms = wake === "online" ? SUSPECT_MS : SILENCE_MS;
    // If the clock was set back, nobody knows how long it was silent: reconnect.
    const isSilent = Math.abs(Date.now() - this.#heard) >= ms;
    if (isSilent) this.#abort.abort();
    return isSilent;
  }
}
