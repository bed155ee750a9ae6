import { EventSourceParserStream } from "eventsource-parser/stream";

/**
 * @typedef {object} Problem What went wrong.
 * @property {string} error What happened.
 * @property {string} detail Why, and what to do.
 * @property {string} code
 * @property {string} [correlationId]
 *
 * @typedef {object} Frame One event of the stream; openapi.json describes its fields.
 * @property {string} content
 * @property {boolean} is_final
 * @property {string} [finish_reason]
 * @property {{ input_tokens: number, output_tokens: number, total_tokens: number }} [usage]
 */

/** What goes wrong between the page and the API. */
const NO_CONNECTION = {
  error: "No connection",
  detail: "Check that you are online and the assistant is running, then try again.",
  code: "no_connection",
};
const CONNECTION_LOST = {
  error: "The connection was lost",
  detail: "The answer was cut off on its way to you. Check your connection and try again.",
  code: "connection_lost",
};
const INVALID_ANSWER = {
  error: "Something else answered",
  detail: "A proxy or a sign-in page may be in between. Reload the page and try again.",
  code: "invalid_answer",
};

/** What to do on this page about errors whose own advice is for programs. */
const ADVICE = {
  unauthorized: "You need an access token. Choose Retry and enter yours.",
  context_length_exceeded: "Start a new conversation, or ask for shorter answers in Settings.",
};

/** An answer that failed before it began or in the middle. */
export class ChatError extends Error {
  /**
   * @param {{ error: string, detail: string, code: string, correlation_id?: string }} body
   * @param {string} correlationId of the request
   * @param {number} [status] of the response, if the answer did not begin
   */
  constructor({ error, detail, code, correlation_id }, correlationId, status) {
    super(error);
    /** @type {Problem} */
    this.problem = {
      error,
      detail: Object.hasOwn(ADVICE, code) ? ADVICE[code] : detail,
      code,
      correlationId: correlation_id ?? correlationId,
    };
    this.status = status;
  }
}

/** Far longer than any frame. It bounds the memory that an endless line takes. */
const MAX_FRAME_LENGTH = 4_000_000;

/**
 * Sends a request and yields each frame of the answer as it arrives, the final one last.
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
    throw new ChatError(await problemIn(response), correlationId, response.status);
  }
  const reader = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream({ maxBufferSize: MAX_FRAME_LENGTH }))
    .getReader();
  for (;;) {
    const { done, value } = await reader.read().catch((cause) => {
      throw signal.aborted ? cause : new ChatError(CONNECTION_LOST, correlationId);
    });
    if (done) throw new ChatError(CONNECTION_LOST, correlationId);
    const frame = parse(value.data) ?? INVALID_ANSWER;
    if (frame.error) throw new ChatError(frame, correlationId);
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
    throw signal.aborted ? cause : new ChatError(NO_CONNECTION, correlationId);
  }
}

/** What a response that is no stream says went wrong. */
async function problemIn(response) {
  const body = parse(await response.text().catch(() => ""));
  const problem = body?.error ? body : { ...INVALID_ANSWER };
  const seconds = Number(response.headers.get("retry-after"));
  if (seconds > 0) {
    problem.detail += ` It should work in ${seconds} ${seconds === 1 ? "second" : "seconds"}.`;
  }
  return problem;
}

/** @returns {any} the JSON object in a text, or `undefined` if there is none */
function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? (value ?? undefined) : undefined;
  } catch {
    return undefined;
  }
}

/** Made here, so that there is an id to show even if nothing comes back. Without https there is no `randomUUID`. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
