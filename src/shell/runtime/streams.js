/**
 * Bodies: those that are read, and the one that is written. For a token, WebAssembly calls three times: to read, to copy
 * what was read, and to write. Promises that settle here call WebAssembly only by `onRead` and `onRoom`, which are
 * guarded; whatever else throws in their callbacks stays in JavaScript.
 */

import { instance } from "./instance.js";

/**
 * The first buffer for reads, in bytes. Nearly every event that comes alone fits, and an open stream holds little. A
 * fixed buffer of 16 KiB makes a token of a burst 13 % slower, one of 4 KiB 39 %.
 */
const FIRST_BYTES = 1024;
/** How much larger the next buffer is after a read that filled it. */
const GROWTH = 8;
const MAX_BYTES = 65_536;

/** For promises that are rejected when a body ends in another way: there is nothing left to do then. */
const ignore = () => {};

/**
 * A body that is read, always into the same buffer. To have the runtime make a buffer for each read makes a token of a
 * burst 39 % slower.
 */
export class Source {
  #reader;
  #buffer = new ArrayBuffer(FIRST_BYTES);
  #chunk;
  #hasEnded = false;
  #isCancelled = false;
  #onResult;
  #onError;

  /**
   * @param {ReadableStream} body
   * @param {number} task is told how much a read brought: 0 at the end, nothing after a failure
   * @throws {TypeError} when the body is already being read
   */
  constructor(body, task) {
    const { onRead } = instance;
    this.#reader = body.getReader({ mode: "byob" });
    this.#onResult = ({ done, value }) => {
      if (this.#isCancelled) return;
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
      if (!this.#isCancelled) onRead(task);
    };
    instance.open.get(task)?.holds(this);
  }

  /**
   * Begins a read. The last chunk is gone then.
   * @throws {TypeError} after the end
   */
  read() {
    this.#reader.read(new Uint8Array(this.#buffer)).then(this.#onResult, this.#onError);
  }

  /** @param {Uint8Array} space as long as what was read */
  take(space) {
    space.set(this.#chunk);
  }

  /** Tells the task nothing more, and tells the sender to stop unless all was read. */
  cancel() {
    if (this.#isCancelled) return;
    this.#isCancelled = true;
    // A sender that cannot be told has stopped already.
    if (!this.#hasEnded) this.#reader.cancel().catch(ignore);
  }

  /** For a chat that is abandoned. */
  breakOff() {
    this.cancel();
  }
}

/** The buffer for the next read. */
function bufferAfter({ buffer, length }) {
  const isFull = length === buffer.byteLength && length < MAX_BYTES;
  return isFull ? new ArrayBuffer(Math.min(length * GROWTH, MAX_BYTES)) : buffer;
}

/** The largest last write that is one piece, in bytes. */
const MAX_LAST_BYTES = 4096;
const NEWLINE = 10;

/**
 * A response's body: the readable side of a `TransformStream`. Frames go in by its controller, a piece for each write.
 * Its writable side takes a marker, which is transformed once no piece waits.
 *
 * The runtime asks for the next piece when it has passed on the one in its hand. A piece that it has asked for goes into
 * its hand at once; any other waits. With one that waits there is no room, which is the readable side's own limit
 * (`highWaterMark` 1).
 */
export class Outlet {
  #controller;
  #writer;

  /** @param {number} task is told when there is room again */
  constructor(task) {
    const { onRoom } = instance;
    const { readable, writable } = new TransformStream(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        transform: () => onRoom(task),
      },
      undefined,
      { highWaterMark: 1 },
    );
    this.body = readable;
    this.#writer = writable.getWriter();
    instance.open.get(task)?.holds(this);
  }

  /**
   * Writes a copy.
   * @param {Uint8Array} bytes
   * @returns {boolean} whether there is room for more. If not, the task is told when there is
   * @throws {TypeError} when the client has left or the body has ended
   */
  write(bytes) {
    this.#controller.enqueue(bytes.slice());
    const hasRoom = this.#controller.desiredSize > 0;
    if (!hasRoom) this.#writer.write().catch(ignore);
    return hasRoom;
  }

  /**
   * Writes the last frames. Once the runtime has asked for all of them, the task is told and the body ends.
   * @param {Uint8Array} bytes
   * @throws {TypeError} when the client has left or the body has ended
   */
  writeLast(bytes) {
    // Behind much else, the last frame is a piece of its own: the runtime asks for it when it has written the rest.
    const start = bytes.length > MAX_LAST_BYTES ? bytes.lastIndexOf(NEWLINE, -3) + 1 : 0;
    if (start > 0) this.#controller.enqueue(bytes.slice(0, start));
    this.#controller.enqueue(bytes.slice(start));
    this.#writer.write().catch(ignore);
    this.#writer.close().catch(ignore);
  }

  /** Breaks the body off, unless it has ended or the client has left. */
  breakOff() {
    // The runtime takes an error with this property for a lost connection, and writes no line of its own into the log.
    this.#controller.error(
      Object.assign(new Error("The answer is broken off."), { retryable: true }),
    );
  }
}
