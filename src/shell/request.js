/** What belongs to one request and is JavaScript's: the promises around it, and whether its client still listens. */

import { instance, internalError } from "./instance.js";

/** A chat's answer, still to be given, and its work, still to be done. */
export class Answer {
  #instance = instance;
  #answer = Promise.withResolvers();
  #work = Promise.withResolvers();
  #task;
  /** What feeds and drains the answer. @type {{ breakOff(): void }[]} */
  #ends = [];

  /**
   * @param {{ waitUntil(work: Promise<void>): void }} context lets the work go on when the client has left
   * @param {number} task
   * @param {string} correlationId
   * @param {string} loggedId the same without secrets
   */
  constructor(context, task, correlationId, loggedId) {
    this.#task = task;
    this.correlationId = correlationId;
    this.loggedId = loggedId;
    this.#instance.chats.set(task, this);
    // Whichever request loses the instance, this continuation runs as a part of its own one: the runtime lets no
    // other request touch its streams.
    context.waitUntil(this.#work.promise.then((isAbandoned) => isAbandoned && this.#breakOff()));
  }

  /** @returns {Promise<Response>} */
  get promise() {
    return this.#answer.promise;
  }

  /** @param {Response} response */
  give(response) {
    this.#answer.resolve(response);
  }

  /** Answers that this program has failed. */
  fail() {
    this.#answer.resolve(internalError({}, this.correlationId));
  }

  /** Says that the work is done. */
  end() {
    this.#instance.chats.delete(this.#task);
    this.#work.resolve(false);
  }

  /** Has an end of a stream broken off when the chat is abandoned. */
  holds(end) {
    this.#ends.push(end);
  }

  /** Ends the chat, for nobody goes on with its work. */
  abandon() {
    this.#work.resolve(true);
  }

  #breakOff() {
    this.fail();
    for (const end of this.#ends) end.breakOff();
  }
}

/**
 * Tells a task when the client of its request has left. It costs nothing to go on watching until the request is
 * forgotten: a task that is done is told nothing.
 *
 * @param {Request} request
 * @param {number} task
 */
export function watchClient({ signal }, task) {
  const { onGone } = instance;
  if (signal.aborted) onGone(task);
  else signal.onabort = () => onGone(task);
}

/**
 * Tells a task what became of a promise.
 *
 * @param {Promise<unknown>} promise
 * @param {number} task
 * @param {number} serial of the promise
 */
export function listen(promise, task, serial) {
  const { onSettled } = instance;
  promise.then(
    (value) => onSettled(task, serial, true, value),
    (error) => onSettled(task, serial, false, error),
  );
}

/** Tells a task when so many milliseconds are over. @returns {number} what stops the timer */
export function startTimer(delayMs, task) {
  return setTimeout(instance.onTime, delayMs, task);
}

/** @param {number} timer */
export function stopTimer(timer) {
  clearTimeout(timer);
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
