import { createParser } from "eventsource-parser";
import { ChatError, CONNECTION_LOST, INVALID_ANSWER, parseObject } from "./api.js";

/**
 * @typedef {object} Frame One event of an answer; openapi.json describes its fields.
 * @property {string} content
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

/** The service is never silent for longer than 15 seconds, so a connection that is silent for so long is lost. */
export const SILENCE_MS = 35_000;

/** A connection that says nothing while the device comes back online is given up sooner. */
const SUSPECT_MS = 3_000;

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

/** What another try may mend, once an answer may have begun. An error in our shape with another code is the answer's end. */
const PASSING = ["no_connection", "connection_lost", "invalid_answer", "rate_limited"];
const ALSO_PASSING = ["store_unavailable", "internal_error"];

/** Events after which the network may be there again. */
const wakes = new EventTarget();

/** Has every answer that waits for its connection try again at once. */
export function tryNow() {
  wakes.dispatchEvent(new Event("wake"));
}

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
 * @param {{ after?: number, signal: AbortSignal, onTrouble?: (isLost: boolean) => void }} options
 *   `onTrouble(true)`: the connection is lost, and is being tried again; `false`: it is back
 * @returns {AsyncGenerator<Frame, void, void>}
 * @throws {ChatError} when the answer cannot be had
 */
export async function* readAnswer(connect, { after, signal, onTrouble = () => {} }) {
  let failures = 0;
  for (;;) {
    const attempt = new Attempt(signal);
    try {
      const response = await connect(after, attempt.signal);
      attempt.hear();
      if (response.status === 204) return;
      for await (const frame of framesIn(response, () => attempt.hear())) {
        failures = 0;
        onTrouble(false);
        after = frame.sequence;
        yield frame;
        if (frame.is_final) return;
      }
    } catch (error) {
      if (signal.aborted) throw error;
      const isSilent = attempt.signal.aborted && error.status === undefined;
      if (!isSilent && !isPassing(error, failures > 0 || after !== undefined)) throw error;
      failures += 1;
      // Nothing is sent until the model's server answers. So a silence before the first word may be in good order.
      if (isSilent && !attempt.hasHeard) continue;
      onTrouble(true);
      await pause(error.retryAfterMs ?? pauseMs(failures), signal);
    } finally {
      attempt.end();
    }
  }
}

/**
 * Does something through any number of lost connections.
 *
 * @template T
 * @param {() => Promise<T>} act
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export async function persist(act, signal) {
  for (let failures = 1; ; failures += 1) {
    try {
      return await act();
    } catch (error) {
      if (signal.aborted || !isPassing(error, true)) throw error;
      await pause(error.retryAfterMs ?? pauseMs(failures), signal);
    }
  }
}

/** Whether another try may have the answer. @param {boolean} mayHaveBegun whether an earlier try may have reached it */
function isPassing(error, mayHaveBegun) {
  if (!(error instanceof ChatError)) return false;
  const { code } = error.problem;
  if (code === "no_connection" || code === "connection_lost") return true;
  return mayHaveBegun && (PASSING.includes(code) || ALSO_PASSING.includes(code));
}

/** Twice as long each time, and never the same for all clients of a service that comes back. */
function pauseMs(failures) {
  const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
  return longest * (0.5 + Math.random() / 2);
}

/** Waits, but no longer than until the network may be there again. */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    const end = (act) => {
      over.abort();
      clearTimeout(timer);
      act();
    };
    const timer = setTimeout(() => end(resolve), ms);
    onWake(() => end(resolve), over.signal);
    signal.addEventListener("abort", () => end(() => reject(signal.reason)), {
      signal: over.signal,
    });
    if (signal.aborted) end(() => reject(signal.reason));
  });
}

/** @param {(type: string) => void} act @param {AbortSignal} signal ends it */
function onWake(act, signal) {
  wakes.addEventListener("wake", () => act("wake"), { signal });
  addEventListener("online", () => act("online"), { signal });
  addEventListener("pageshow", () => act("pageshow"), { signal });
  document.addEventListener("visibilitychange", () => document.hidden || act("visible"), {
    signal,
  });
}

/** One connection, which is given up when it stays silent. */
class Attempt {
  hasHeard = false;
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
    onWake((type) => this.#check(type === "online" ? SUSPECT_MS : SILENCE_MS), over.signal);
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
    this.#timer = setTimeout(() => this.#check(SILENCE_MS) || this.#watch(), Math.max(left, 0));
  }

  #check(ms) {
    const isSilent = Date.now() - this.#heard >= ms;
    if (isSilent) this.#abort.abort();
    return isSilent;
  }
}
