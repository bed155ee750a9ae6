/** Messages that are prepared once: all but their bodies and their correlation ids. */

/** Options whose headers are made once. To have the runtime make them of an object costs more than to send them. */
function withHeadersMade(options) {
  return { ...options, headers: new Headers(options.headers) };
}

/** Responses that differ in their bodies and their correlation ids alone. */
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
}

/** Calls that differ in their bodies and their correlation ids alone. */
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

  /** @returns {Promise<Response>} */
  call(body, correlationId) {
    this.#options.headers.set("x-client-request-id", correlationId);
    return fetch(this.#url, { ...this.#options, body });
  }
}
