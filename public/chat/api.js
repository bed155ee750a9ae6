import { EventSourceParserStream } from "eventsource-parser/stream";

/**
 * What went wrong, in the words of the API.
 *
 * @typedef {object} Problem
 * @property {string} error What happened.
 * @property {string} detail Why, and what to do.
 * @property {string} code
 * @property {string} [correlationId]
 *
 * @typedef {object} Frame One event of the stream; the README tells its fields.
 * @property {string} content
 * @property {boolean} is_final
 * @property {string} [finish_reason]
 * @property {{ input_tokens: number, output_tokens: number, total_tokens: number }} [usage]
 */

/** An answer that failed, before it began or in the middle. */
export class ChatError extends Error {
  /** @param {Problem} problem @param {number} [status] of the response, when the answer did not begin */
  constructor(problem, status) {
    super(problem.error);
    this.problem = problem;
    this.status = status;
  }
}

/** What can go wrong on the way to the API, which it cannot tell of. */
const NO_CONNECTION = {
  error: "No connection",
  detail: "The assistant could not be reached. Check your connection and try again.",
  code: "no_connection",
};
const CUT_OFF = {
  error: "The connection was lost",
  detail: "The answer was cut off on its way to you. Check your connection and try again.",
  code: "connection_lost",
};
const NOT_OURS = {
  error: "Something in between answered",
  detail: "What came back is not an answer of the assistant. Try again in a moment.",
  code: "invalid_answer",
};

/** Far above any frame; an answer of one endless line ends here. */
const MAX_FRAME_CHARACTERS = 4_000_000;

/**
 * Asks, and gives each frame of the answer as it comes, the final one last.
 *
 * @param {string} body
 * @param {{ token?: string, signal: AbortSignal }} options
 * @returns {AsyncGenerator<Frame, void, void>}
 * @throws {ChatError} unless the signal was aborted
 */
export async function* ask(body, { token, signal }) {
  const correlationId = newId();
  const response = await send(body, { token, signal, correlationId });
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (!response.ok || !isStream) {
    throw new ChatError(await problemOf(response, correlationId), response.status);
  }
  const reader = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({ maxBufferSize: MAX_FRAME_CHARACTERS }))
    .getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause) => {
      throw signal.aborted ? cause : new ChatError({ ...CUT_OFF, correlationId });
    });
    if (done) throw new ChatError({ ...CUT_OFF, correlationId });
    const frame = parse(value.data) ?? problem(NOT_OURS, correlationId);
    if (frame.error) throw new ChatError(problem(frame, correlationId));
    yield frame;
    if (frame.is_final) return;
  }
}

async function send(body, { token, signal, correlationId }) {
  const headers = { "Content-Type": "application/json", "X-Correlation-Id": correlationId };
  if (token) headers.Authorization = `Bearer ${token}`;
  try {
    return await fetch("/chat", { method: "POST", headers, body, signal, cache: "no-store" });
  } catch (cause) {
    throw signal.aborted ? cause : new ChatError({ ...NO_CONNECTION, correlationId });
  }
}

/** @returns {Promise<Problem>} */
async function problemOf(response, correlationId) {
  const told = parse(await response.text().catch(() => ""));
  const known = problem(told?.error ? told : NOT_OURS, correlationId);
  const seconds = Number(response.headers.get("retry-after"));
  return seconds > 0
    ? { ...known, detail: `${known.detail} (${seconds} ${seconds === 1 ? "second" : "seconds"})` }
    : known;
}

/** @returns {Problem} */
function problem({ error, detail, code, correlation_id }, correlationId) {
  return { error, detail, code, correlationId: correlation_id ?? correlationId };
}

/** @returns {any} an object, or nothing where the text is not the JSON of one */
function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? (value ?? undefined) : undefined;
  } catch {
    return undefined;
  }
}

/** Ours, so that there is one to tell even when nothing came back. `randomUUID` is not there without https. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
