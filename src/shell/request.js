/** What belongs to one request and is JavaScript's: the promises around it, and whether its client still listens. */

/** A request's answer, still to be given, and its work, still to be done. */
export class Answer {
  #answer = Promise.withResolvers();
  #work = Promise.withResolvers();

  /** @param {{ waitUntil(work: Promise<void>): void }} context lets the work go on when the client has left */
  constructor(context) {
    context.waitUntil(this.#work.promise);
  }

  /** @returns {Promise<Response>} */
  get promise() {
    return this.#answer.promise;
  }

  /** @param {Response} response */
  give(response) {
    this.#answer.resolve(response);
  }

  /** Has the runtime answer that it cannot. */
  fail(error) {
    this.#answer.reject(error);
  }

  /** Says that the work is done. */
  end() {
    this.#work.resolve();
  }
}

/**
 * Tells a task when the client of its request has left. It costs nothing to go on watching until the request is
 * forgotten: a task that is done is told nothing.
 *
 * @param {Request} request
 * @param {(task: number) => void} onGone
 * @param {number} task
 */
export function watchClient({ signal }, onGone, task) {
  if (signal.aborted) onGone(task);
  else signal.onabort = () => onGone(task);
}

/**
 * Tells a task what became of a promise.
 *
 * @param {Promise<unknown>} promise
 * @param {(task: number, serial: number, isFulfilled: boolean, result: unknown) => void} onSettled
 * @param {number} task
 * @param {number} serial of the promise
 */
export function listen(promise, onSettled, task, serial) {
  promise.then(
    (value) => onSettled(task, serial, true, value),
    (error) => onSettled(task, serial, false, error),
  );
}

/** Options whose headers are made once. To have the runtime make them of an object costs more than to send them. */
function withHeadersMade(options) {
  return { ...options, headers: new Headers(options.headers) };
}

/** Responses that differ in their bodies and their correlation ids alone. */
export class Reply {
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
