/**
 * The border: the WebAssembly instance that JavaScript calls, and the work that is open on it.
 *
 * An exception that leaves WebAssembly ends its instance: the bindings make a new one for the next request, and what
 * waits on the old one is never woken. Rust is written so that none leaves it: it does not panic, and catches what its
 * imports throw (`mod.rs`). For one that leaves it all the same, every call goes through a guard. When a call fails,
 * all work that is open on the instance is broken off at once, and one line of the log says so.
 */

/** The instance that answers now. A new one takes its place once it is lost. @type {Instance} */
export let instance;

/**
 * What an instance is told, one function for each thing that can happen. `task` is the number of a task.
 *
 * @typedef {object} Callbacks
 * @property {(request: Request, env: object, context: object) => Response | Promise<Response>} onRequest
 * @property {(task: number, bytes?: number) => void} onRead a read brought bytes: 0 at the end, nothing after a failure
 * @property {(task: number) => void} onRoom more of the answer may be written
 * @property {(task: number) => void} onGone the client has left
 * @property {(task: number, serial: number, isFulfilled: boolean, value: unknown) => void} onSettled
 * @property {(task: number) => void} onTime the timer has gone off
 * @property {(task: number) => void} onWake a future of the bindings wakes the task
 * @property {(owner: number, request: Request) => Response | Promise<Response>} onOwned
 * @property {(owner: number) => void} onAlarm
 */

class Instance {
  /** Open work by task. @type {Map<number, OpenWork>} */
  open = new Map();
  #isLost = false;

  /** @param {Callbacks} callbacks */
  constructor(callbacks) {
    for (const [name, callback] of Object.entries(callbacks)) this[name] = this.#guarded(callback);
  }

  /** A lost instance is not called any more. */
  #guarded(callback) {
    return (a, b, c, d) => {
      if (this.#isLost) return undefined;
      try {
        return callback(a, b, c, d);
      } catch (error) {
        this.lose(error);
        return undefined;
      }
    };
  }

  /** Breaks off all open work. @param {unknown} [error] what left WebAssembly */
  lose(error) {
    if (this.#isLost) return;
    this.#isLost = true;
    const open = [...this.open.values()];
    logLoss(error, open);
    for (const work of open) work.abandon();
  }
}

/** A piece of work that is open on an instance: its response, its end, and what it reads, writes and calls. */
export class OpenWork {
  #instance = instance;
  #response = Promise.withResolvers();
  #work = Promise.withResolvers();
  #task;
  /** @type {{ breakOff(): void }[]} */
  #held = [];

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
    this.#instance.open.set(task, this);
    // Whichever request loses the instance, this continuation runs as a part of its own request: the runtime lets no
    // other one touch these streams.
    context.waitUntil(this.#work.promise.then((isAbandoned) => isAbandoned && this.#breakOff()));
  }

  /** @returns {Promise<Response>} */
  get response() {
    return this.#response.promise;
  }

  /** Settles when the work is done. @returns {Promise<unknown>} */
  get done() {
    return this.#work.promise;
  }

  /** @param {Response} response */
  respond(response) {
    this.#response.resolve(response);
  }

  /** Responds that this program has failed. */
  fail() {
    this.respond(internalError(this.correlationId));
  }

  /** Says that the work is done. */
  end() {
    this.#instance.open.delete(this.#task);
    this.#work.resolve(false);
  }

  /** Has a stream broken off when the work is abandoned. */
  holds(stream) {
    this.#held.push(stream);
  }

  /** What closes a call of the work's. It does so by itself when the work is abandoned. @returns {AbortController} */
  aborter() {
    const aborter = new AbortController();
    this.#held.push({ breakOff: () => aborter.abort() });
    return aborter;
  }

  /** Ends work whose instance is lost. */
  abandon() {
    this.#work.resolve(true);
  }

  #breakOff() {
    this.fail();
    for (const each of this.#held) each.breakOff();
  }
}

/**
 * Registers an instance as it starts. The one before it is lost, even if no call has failed here.
 *
 * @param {Function[]} callbacks in the order of {@link Callbacks}
 */
export function connect(...callbacks) {
  instance?.lose();
  const [onRequest, onRead, onRoom, onGone, onSettled, onTime, onWake, onOwned, onAlarm] =
    callbacks;
  instance = new Instance({
    onRequest,
    onRead,
    onRoom,
    onGone,
    onSettled,
    onTime,
    onWake,
    onOwned,
    onAlarm,
  });
}

/**
 * Has the instance answer a request, a microtask later: WebAssembly calls this, and must have returned before it is
 * called itself. A call within a call could not return from an instance that was lost in it.
 */
export async function handle(request, env, context) {
  await undefined;
  return instance.onRequest(request, env, context) ?? internalError(idFor(request));
}

/** The same for a request to a Durable Object. @param {number} owner the object's number */
export async function handleOwned(owner, request) {
  await undefined;
  return instance.onOwned(owner, request) ?? internalError(idFor(request));
}

/** Has an object do what is due, when its alarm has gone off. @param {number} owner the object's number */
export async function handleAlarm(owner) {
  await undefined;
  instance.onAlarm(owner);
}

/** Has a task polled once the call that wakes it has returned. */
export function wakeLater(task) {
  const { onWake } = instance;
  queueMicrotask(() => onWake(task));
}

/** The response to a request that this program has failed, in the shape of every error. */
function internalError(correlationId) {
  const body = {
    error: "Internal error",
    detail: "This service failed while handling the request. Try again in a moment.",
    correlation_id: correlationId,
    code: "internal_error",
  };
  return Response.json(body, {
    status: 500,
    headers: {
      "x-correlation-id": correlationId,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cross-origin-resource-policy": "same-origin",
      "cache-control": "no-store",
    },
  });
}

/**
 * The line names the kind of the exception, whose message might quote anything, and the requests that it cost. The ids
 * need no escapes: each is a UUID, or the client's own of at most 128 characters of `[A-Za-z0-9._:-]`, without secrets.
 */
function logLoss(error, open) {
  const line = {
    timestamp: new Date().toISOString().replace("Z", "000+00:00"),
    level: "ERROR",
    event: "instance_lost",
    cause: error instanceof Error ? error.constructor.name : "unknown",
    correlation_ids: open.map((work) => work.loggedId),
  };
  console.error(JSON.stringify(line));
}

/** A correlation id by the rule of `is_id` (`telemetry/record.rs`), which cannot be called when WebAssembly is lost. */
function idFor({ headers }) {
  const sent = headers.get("x-correlation-id") ?? "";
  return /^[A-Za-z0-9._:-]{1,128}$/.test(sent) ? sent : crypto.randomUUID();
}
