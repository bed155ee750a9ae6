import { forgetToken, loadToken, saveToken } from "./account/token.js";
import { withTimeout } from "./timeout.js";

/**
 * @typedef {object} Problem What went wrong.
 * @property {string} error What happened.
 * @property {string} detail Why, and what to do.
 * @property {string} code
 * @property {string} [correlationId]
 * @property {number} [retryAt] before this time it will not work, in milliseconds of the clock
 */

/** What goes wrong between the page and the API. */
export const NO_CONNECTION = {
  error: "No connection",
  detail: "Check that you are online and the assistant is running, then try again.",
  code: "no_connection",
};
export const CONNECTION_LOST = {
  error: "The connection was lost",
  detail: "The answer was cut off on its way to you. Check your connection and try again.",
  code: "connection_lost",
};
export const INVALID_ANSWER = {
  error: "Something else answered",
  detail: "A proxy or a sign-in page may be in between. Reload the page and try again.",
  code: "invalid_answer",
};

/** What to do on this page about errors whose own advice is for programs. */
const ADVICE = {
  unauthorized: "You need an access token.",
  context_length_exceeded: "Start a new conversation, or ask for shorter answers in Settings.",
};

/** A request or an answer that failed. */
export class ChatError extends Error {
  /**
   * @param {{ error: string, detail: string, code: string, correlation_id?: string }} body
   * @param {string} correlationId of the request
   * @param {{ status?: number, retryAfterMs?: number }} [response] `status` if the answer did not begin
   */
  constructor({ error, detail, code, correlation_id }, correlationId, response = {}) {
    super(error);
    /** @type {Problem} */
    this.problem = {
      error,
      detail: Object.hasOwn(ADVICE, code) ? ADVICE[code] : detail,
      code,
      correlationId: correlation_id ?? correlationId,
    };
    this.status = response.status;
    /** How long the service asks to wait. */
    this.retryAfterMs = response.retryAfterMs;
    if (this.retryAfterMs) this.problem.retryAt = Date.now() + this.retryAfterMs;
  }
}

/** The longest wait for a response, unless told, and for more of one that has begun. */
const PATIENCE_MS = 30_000;

/** The same for an answer: longer than any service waits for its model. */
export const MODEL_PATIENCE_MS = 900_000;

/** Nobody means so long a wait. */
const FAR_SECONDS = 1e9;

/** Sends requests with the access token, and asks for one when the API wants it. */
export class Api {
  #askForToken;
  /** The question for a token that is open, so that several requests ask once. @type {Promise<string | undefined> | undefined} */
  #asking;
  #wasDeclined = false;

  /** @param {(wasRefused: boolean) => Promise<string | undefined>} askForToken `undefined`: the person enters none */
  constructor(askForToken) {
    this.#askForToken = askForToken;
  }

  /**
   * Sends a request.
   *
   * @param {string} path
   * @param {object} [request]
   * @param {string} [request.method]
   * @param {Record<string, string>} [request.headers]
   * @param {string} [request.body]
   * @param {AbortSignal} [request.signal]
   * @param {boolean} [request.asksForTokenAgain] whether the person is asked for a token even after declining to enter one
   * @param {number} [request.patienceMs] how long the response may take to begin
   * @returns {Promise<Response & { correlationId: string }>} a success
   * @throws {ChatError} unless the signal was aborted
   */
  async request(path, { asksForTokenAgain = false, ...request } = {}) {
    for (;;) {
      const token = loadToken();
      const correlationId = newId();
      const response = await send(path, { ...request, token, correlationId });
      if (response.ok) return Object.assign(response, { correlationId });
      const error = await errorIn(response, correlationId);
      if (error.status !== 401) throw error;
      // Meanwhile another request may have asked for the token.
      if (loadToken() !== token) continue;
      if (!(await this.signIn(token !== undefined, asksForTokenAgain))) throw error;
    }
  }

  /** What a request gives, as JSON. Takes and throws what `request` does. */
  async json(path, request) {
    const { text, correlationId } = await this.#read(path, request);
    const value = parseObject(text);
    if (value === undefined) throw new ChatError(INVALID_ANSWER, correlationId);
    return value;
  }

  /** What a request gives, as text. Takes and throws what `request` does. */
  async text(path, request) {
    return (await this.#read(path, request)).text;
  }

  async #read(path, request) {
    const response = await this.request(path, request);
    const { correlationId } = response;
    try {
      return { text: await textOf(response), correlationId };
    } catch (cause) {
      throw request?.signal?.aborted ? cause : new ChatError(NO_CONNECTION, correlationId);
    }
  }

  /**
   * Asks for the access token.
   *
   * @param {boolean} [wasRefused] whether a token was sent and was wrong
   * @param {boolean} [asksAgain] whether to ask even after the person has declined
   * @returns {Promise<boolean>} whether there is one now
   */
  async signIn(wasRefused = false, asksAgain = true) {
    if (this.#wasDeclined && !asksAgain) return false;
    if (wasRefused && !this.#asking) forgetToken();
    this.#asking ??= this.#askForToken(wasRefused).finally(() => {
      this.#asking = undefined;
    });
    const token = await this.#asking;
    this.#wasDeclined = token === undefined;
    if (token !== undefined && loadToken() !== token) saveToken(token);
    return token !== undefined;
  }
}

async function send(path, options) {
  const { token, correlationId, headers = {}, body, signal, patienceMs, ...request } = options;
  const abort = new AbortController();
  if (signal?.aborted) abort.abort();
  signal?.addEventListener("abort", () => abort.abort());
  const timer = setTimeout(() => abort.abort(), patienceMs ?? PATIENCE_MS);
  const sent = { ...headers, "X-Correlation-Id": correlationId };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (token) sent.Authorization = `Bearer ${token}`;
  try {
    return await fetch(path, {
      ...request,
      signal: abort.signal,
      headers: sent,
      body,
      cache: "no-store",
    });
  } catch (cause) {
    throw signal?.aborted ? cause : new ChatError(NO_CONNECTION, correlationId);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws if the body is cut off, or nothing more of it comes */
async function textOf({ body }) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let text = ""; ; ) {
      const { done, value } = await withTimeout(reader.read(), PATIENCE_MS);
      if (done) return text;
      text += value;
    }
  } catch (error) {
    // One that is given up would hold its connection.
    reader.cancel().catch(() => {});
    throw error;
  }
}

/** What a response that is no success says went wrong. */
async function errorIn(response, correlationId) {
  const body = parseObject(await textOf(response).catch(() => ""));
  // A proxy may have errors of its own, in JSON too.
  const isOurs = [body?.error, body?.code].every((each) => typeof each === "string");
  const problem = isOurs ? body : INVALID_ANSWER;
  const seconds = Number(response.headers.get("retry-after"));
  const retryAfterMs = seconds > 0 && seconds < FAR_SECONDS ? seconds * 1000 : undefined;
  return new ChatError(problem, correlationId, { status: response.status, retryAfterMs });
}

/** What went wrong and what to do, in a sentence or two. @param {Problem} problem */
export function sentencesOf({ error, detail, retryAt }) {
  return [`${error}.`, detail, whenAgain(retryAt)].filter(Boolean).join(" ");
}

/** When it should work. @param {number | undefined} retryAt @returns {string} nothing if that is not known */
export function whenAgain(retryAt) {
  if (retryAt === undefined) return "";
  return retryAt > Date.now() ? `It should work ${inTime(retryAt)}.` : "It should work now.";
}

/** How long it is until then, or what time it will be. @param {number} time in milliseconds of the clock */
export function inTime(time) {
  const seconds = Math.max(1, Math.ceil((time - Date.now()) / 1000));
  if (seconds < 120) return `in ${seconds} ${seconds === 1 ? "second" : "seconds"}`;
  const at = new Date(time);
  // Such as a month's budget.
  if (seconds >= 86_400) {
    return `on ${at.toLocaleDateString([], { day: "numeric", month: "long" })}`;
  }
  return `at ${at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}`;
}

/** @returns {any} the JSON object in a text, or `undefined` if there is none */
export function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? (value ?? undefined) : undefined;
  } catch {
    return undefined;
  }
}

/** A UUID. Without https there is no `randomUUID`. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
