/**
 * The WebAssembly instance that JavaScript calls, and what is open on it.
 *
 * An exception that leaves WebAssembly ends its instance: the bindings make a new one for the next request, and nobody
 * wakes what waits on the old one. So every call goes through here. When one fails, whatever is open on the instance is
 * broken off at once, and one line of the log says so.
 */

/** The instance that answers now; a new one takes its place once it is lost. @type {Instance} */
export let instance;

/**
 * What an instance is told, each by a function of its own.
 *
 * @typedef {object} Callbacks
 * @property {(request: Request, env: object, context: object) => Response | Promise<Response>} onRequest
 * @property {(task: number, bytes?: number) => void} onRead how much a read brought: 0 at the end, nothing after a failure
 * @property {(task: number) => void} onTaken all that was written has been taken
 * @property {(task: number) => void} onGone the client has left
 * @property {(task: number, serial: number, isFulfilled: boolean, result: unknown) => void} onSettled
 * @property {(task: number) => void} onTime the timer has gone off
 * @property {(task: number) => void} onWake
 */

class Instance {
  /** Chats under way, by task. @type {Map<number, { loggedId: string, abandon(): void }>} */
  chats = new Map();
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

  /** Breaks off what is open. @param {unknown} [error] what left WebAssembly */
  lose(error) {
    if (this.#isLost) return;
    this.#isLost = true;
    const chats = [...this.chats.values()];
    logLoss(error, chats);
    for (const chat of chats) chat.abandon();
  }
}

/** Registers an instance, which does so when it starts. The one before it is lost, if nobody has met its exception. */
export function connect(onRequest, onRead, onTaken, onGone, onSettled, onTime, onWake) {
  instance?.lose();
  instance = new Instance({ onRequest, onRead, onTaken, onGone, onSettled, onTime, onWake });
}

/**
 * Has the instance answer a request. WebAssembly calls this, and has returned when it is called itself: a call within
 * a call could not return from an instance that was lost in it.
 */
export async function handle(request, env, context) {
  await undefined;
  return instance.onRequest(request, env, context) ?? internalError(request);
}

/** Polls a task again, once whoever wakes it has returned. */
export function wakeLater(task) {
  const { onWake } = instance;
  queueMicrotask(() => onWake(task));
}

/** The answer to a request that this program has failed, in the shape of every error. */
export function internalError({ headers }, correlationId = idFor(headers)) {
  const body = {
    error: "Internal error",
    detail: "This service failed in the middle of the request. Try again in a moment.",
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
 * The line names the kind of the exception and the requests that it cost; its words may quote anything. The ids need no
 * escapes: each is a UUID, or the client's own of at most 128 characters of `[A-Za-z0-9._:-]`, without secrets.
 */
function logLoss(error, chats) {
  const line = {
    timestamp: new Date().toISOString().replace("Z", "000+00:00"),
    level: "ERROR",
    event: "instance_lost",
    cause: error instanceof Error ? error.constructor.name : "unknown",
    correlation_ids: chats.map((chat) => chat.loggedId),
  };
  console.error(JSON.stringify(line));
}

function idFor(headers) {
  const sent = headers.get("x-correlation-id") ?? "";
  return /^[A-Za-z0-9._:-]{1,128}$/.test(sent) ? sent : crypto.randomUUID();
}
