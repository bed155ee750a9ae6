/**
 * Messages whose headers are made once; only body and correlation id differ. To make them anew would cost a short
 * request 5 %.
 */

function withHeadersMade(options) {
  return { ...options, headers: new Headers(options.headers) };
}

/** Responses with the same status and headers. */
export class ResponseTemplate {
  #options;

  /**
   * @param {string} options as JSON
   * @throws {TypeError} when a header cannot be sent
   */
  constructor(options) {
    this.#options = withHeadersMade(JSON.parse(options));
  }

  /** @returns {Response} */
  with(body, correlationId) {
    this.#options.headers.set("x-correlation-id", correlationId);
    return new Response(body, this.#options);
  }

  /**
   * What another worker has answered, its body untouched, with these headers and those that tell what it is.
   * @param {Response} answer
   * @returns {Response}
   */
  relay(answer, correlationId) {
    const { headers } = this.#options;
    for (const name of CONTENT_HEADERS) {
      const value = answer.headers.get(name);
      if (value !== null) headers.set(name, value);
    }
    return this.with(answer.body, correlationId);
  }
}

/** Headers that tell what a response is. */
const CONTENT_HEADERS = [
  "content-type",
  "cache-control",
  "x-accel-buffering",
  "x-answer-id",
  "x-budget-remaining",
  "x-model",
  "retry-after",
];

/** Calls of the model's server. */
export class Endpoint {
  #url;
  #options;

  /**
   * @param {string} url
   * @param {string} options as JSON
   * @throws {TypeError} when a header cannot be sent
   */
  constructor(url, options) {
    this.#url = url;
    this.#options = withHeadersMade(JSON.parse(options));
  }

  /**
   * @param {string | undefined} body
   * @param {string} correlationId
   * @param {AbortSignal} [signal]
   * @returns {Promise<Response>}
   */
  call(body, correlationId, signal) {
    // A Durable Object's call waits until what was written before it is safe, and its headers are read only then: shared
    // ones would have the id of a later call. All of an object's calls have a signal.
    const shared = this.#options.headers;
    const headers = signal ? new Headers(shared) : shared;
    headers.set("x-client-request-id", correlationId);
    return fetch(this.#url, { ...this.#options, headers, body, signal });
  }
}

/**
 * Closes a call that nobody waits for any more, so that its answer is not paid for in full: at once, or when its headers
 * come.
 * @param {Promise<Response>} call
 * @param {AbortController} [aborter] that of the call
 */
export function abandon(call, aborter) {
  call.then((response) => response.body?.cancel()).catch(() => {});
  aborter?.abort();
}
