/**
 * Reads the answers of one conversation into its exchanges.
 *
 * @typedef {import("./turns.js").Exchange} Exchange
 * @typedef {import("./answer-stream.js").Frame} Frame
 * @typedef {(signal: AbortSignal, onTrouble: import("./patience.js").OnTrouble) => Promise<AsyncIterable<Frame>>} Source
 */
export class Reader {
  /** Ends the reading of an answer. @type {Map<Exchange, AbortController>} */
  #reading = new Map();
  #onText;
  #onState;

  /**
   * @param {object} observer
   * @param {(exchange: Exchange, text: string, thought?: string) => void} observer.onText an answer has grown, or what
   *   the model thinks
   * @param {(exchange: Exchange) => void} observer.onState
   */
  constructor({ onText, onState }) {
    this.#onText = onText;
    this.#onState = onState;
  }

  /** Whether some answer is being read. */
  get isBusy() {
    return this.#reading.size > 0;
  }

  /** Whether an answer is being read. @param {Exchange | undefined} exchange */
  has(exchange) {
    return this.#reading.has(exchange);
  }

  /** Is aborted when an answer is read no more. @param {Exchange} exchange */
  signal(exchange) {
    return this.#reading.get(exchange)?.signal;
  }

  /** Gives an answer up. @param {Exchange} exchange */
  leave(exchange) {
    this.#reading.get(exchange)?.abort();
  }

  leaveAll() {
    for (const exchange of this.#reading.keys()) this.leave(exchange);
  }

  /**
   * Reads an answer. The frames are those from its start; what the exchange has already is passed over.
   *
   * @param {Exchange} exchange
   * @param {Source} source
   * @param {() => void} onFirst the answer has its first word
   * @returns {Promise<Frame | undefined>} the final frame; none if the answer was given up, or if its end is known already
   * @throws {unknown} whatever the source throws
   */
  async read(exchange, source, onFirst) {
    const abort = new AbortController();
    this.#reading.set(exchange, abort);
    this.#onState(exchange);
    const onTrouble = (trouble) => {
      if (exchange.trouble === trouble) return;
      exchange.trouble = trouble;
      this.#onState(exchange);
    };
    try {
      let length = 0;
      let thoughtLength = 0;
      for await (const frame of await source(abort.signal, onTrouble)) {
        const fresh = frame.content.slice(Math.max(0, exchange.answer.length - length));
        length += frame.content.length;
        const { reasoning = "" } = frame;
        const thought = reasoning.slice(Math.max(0, exchange.reasoning.length - thoughtLength));
        thoughtLength += reasoning.length;
        if (thought !== "") this.#think(exchange, thought);
        if (fresh !== "") this.#grow(exchange, fresh, onFirst);
        if (frame.is_final) return frame;
      }
    } catch (error) {
      if (!abort.signal.aborted) throw error;
      exchange.state = "stopped";
    } finally {
      exchange.trouble = undefined;
      if (this.#reading.get(exchange) === abort) this.#reading.delete(exchange);
    }
    return undefined;
  }

  #think(exchange, thought) {
    exchange.reasoning += thought;
    this.#onText(exchange, "", thought);
  }

  #grow(exchange, text, onFirst) {
    const isFirst = exchange.answer === "";
    exchange.answer += text;
    this.#onText(exchange, text);
    if (isFirst) onFirst();
  }
}
