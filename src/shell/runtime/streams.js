/**
 * The two ends of an answer, as far as they are JavaScript's. WebAssembly makes three calls for a token: one to read,
 * one to take what was read and one to write. So nothing of JavaScript's has to be held on its side.
 */

import { instance } from "./instance.js";

/** The buffer for reads at first, in bytes. Nearly all events that come alone fit, and an open stream holds little. */
const FIRST_BYTES = 1024;
/** How many times larger it is after a read that filled it, for then more has come than fits. */
const GROWTH = 8;
/** The largest buffer for reads. */
const MAX_BYTES = 65_536;

/** The buffer that small writes share, in bytes. One of its own for each of them costs more than its copy. */
const SHARED_BYTES = 1024;
/** The largest write that goes there. */
const SMALL_BYTES = 256;

/** A body that is read, into a buffer that goes back and forth. */
export class Inlet {
  #reader;
  #buffer = new ArrayBuffer(FIRST_BYTES);
  #chunk;
  #hasEnded = false;
  #isClosed = false;
  #onResult;
  #onError;

  /**
   * @param {ReadableStream} body
   * @param {number} task is told how much a read brought: 0 at the end, nothing after a failure
   * @throws {TypeError} when somebody else reads the body
   */
  constructor(body, task) {
    const { onRead } = instance;
    this.#reader = body.getReader({ mode: "byob" });
    this.#onResult = ({ done, value }) => {
      if (this.#isClosed) return;
      if (done) {
        this.#hasEnded = true;
        onRead(task, 0);
        return;
      }
      this.#chunk = value;
      this.#buffer = bufferAfter(value);
      onRead(task, value.length);
    };
    this.#onError = () => {
      this.#hasEnded = true;
      if (!this.#isClosed) onRead(task);
    };
    instance.chats.get(task)?.holds(this);
  }

  /**
   * Begins a read. What the last one brought is then gone.
   * @throws {TypeError} after the end
   */
  read() {
    this.#reader.read(new Uint8Array(this.#buffer)).then(this.#onResult, this.#onError);
  }

  /** @param {Uint8Array} space as long as what was read */
  take(space) {
    space.set(this.#chunk);
  }

  /** Calls nobody any more, and has the sender stop, unless all was read. */
  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // Whether it could still be told changes nothing here.
    if (!this.#hasEnded) this.#reader.cancel().catch(() => {});
  }

  /** The same, for a chat that is abandoned. */
  breakOff() {
    this.close();
  }
}

/** The buffer for the next read. */
function bufferAfter({ buffer, length }) {
  const isFull = length === buffer.byteLength && length < MAX_BYTES;
  return isFull ? new ArrayBuffer(Math.min(length * GROWTH, MAX_BYTES)) : buffer;
}

/**
 * A response's body: the readable side of a `TransformStream`.
 *
 * Frames go in by its controller, at any time and without a wait. A marker goes in by its writable side, where
 * backpressure holds it until the runtime has taken every frame and asks for more; then `transform` is called.
 */
export class Outlet {
  #controller;
  #writer;

  /** @param {number} task is told when the runtime has taken everything, and when the client has left */
  constructor(task) {
    const { onTaken, onGone } = instance;
    const { readable, writable } = new TransformStream(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        transform: () => onTaken(task),
        cancel: () => onGone(task),
      },
      undefined,
      // The runtime is asked for nothing ahead of the client.
      { highWaterMark: 0 },
    );
    this.body = readable;
    this.#writer = writable.getWriter();
    this.askWhenTaken();
    instance.chats.get(task)?.holds(this);
  }

  /** Whether the runtime has taken all that was written. */
  get isTaken() {
    return this.#controller.desiredSize === 0;
  }

  /** Tells the task once the runtime has taken everything. */
  askWhenTaken() {
    // A body that ends meanwhile rejects the marker; there is nothing left to tell.
    this.#writer.write().catch(() => {});
  }

  /**
   * Writes a copy.
   * @param {Uint8Array} bytes
   * @throws {TypeError} when nobody can read it any more
   */
  write(bytes) {
    this.#controller.enqueue(bytes.length > SMALL_BYTES ? bytes.slice() : copySmall(bytes));
  }

  /** Ends the body in order. */
  close() {
    this.#controller.terminate();
  }

  /** Breaks the body off, unless it has ended or the client has left. */
  breakOff() {
    // The runtime takes an error with this property for a lost connection, and writes no line of its own into the log.
    this.#controller.error(Object.assign(new Error("The answer is broken off."), { retryable: true }));
  }
}

/** The buffer that small writes share now. Once it is full, those who have yet to read it keep it, and a new one follows. */
let shared = new ArrayBuffer(SHARED_BYTES);
let usedBytes = 0;

function copySmall(bytes) {
  if (bytes.length > SHARED_BYTES - usedBytes) {
    shared = new ArrayBuffer(SHARED_BYTES);
    usedBytes = 0;
  }
  const copy = new Uint8Array(shared, usedBytes, bytes.length);
  usedBytes += bytes.length;
  copy.set(bytes);
  return copy;
}
