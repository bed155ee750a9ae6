/**
 * The open requests, according to the log: each has a first line and a last one. When the runtime or its WebAssembly
 * instance dies, its open requests can no longer write their last lines, so they are written here.
 *
 * @typedef {{ id: string, since: number, httpStatus?: number, retries: number }} Request
 */

/** The beginning of a line that reports a request's progress. */
const PROGRESS =
  /^\{"timestamp":"([^"]*)","level":"[^"]*","event":"(request_received|stream_started|upstream_retry|response_complete)","correlation_id":"([^"]*)"/;

/** The beginning of the line about a lost instance. There is one at a time, so every open request is lost with it. */
const INSTANCE_LOST = /^\{"timestamp":"([^"]*)","level":"ERROR","event":"instance_lost",/;

export class OpenRequests {
  /**
   * Several clients may choose the same id. A line then belongs to the oldest request that can have written it: only a
   * request without a status can start its stream, and only a streaming one can end it.
   *
   * @type {Map<string, Request[]>}
   */
  #byId = new Map();

  /**
   * Takes a log line of the worker into account.
   *
   * @param {string} line
   * @returns {string[]} the last lines of the requests that were lost with it
   */
  hear(line) {
    const [, lost] = line.match(INSTANCE_LOST) ?? [];
    if (lost !== undefined) return this.cut("the instance was lost", Date.parse(lost));
    const [, timestamp, event, id] = line.match(PROGRESS) ?? [];
    if (event !== undefined) this.#follow(line, id, event, Date.parse(timestamp));
    return [];
  }

  #follow(line, id, event, since) {
    const requests = this.#byId.get(id) ?? [];
    const waiting = requests.find(({ httpStatus }) => httpStatus === undefined);
    if (event === "request_received") {
      this.#byId.set(id, [...requests, { id, since, retries: 0 }]);
    } else if (event === "response_complete") {
      const streaming = requests.find(({ httpStatus }) => httpStatus !== undefined);
      const isStream = line.includes('"http_status":200,');
      const ended = (isStream ? streaming : waiting) ?? requests[0];
      const rest = requests.filter((request) => request !== ended);
      if (rest.length > 0) this.#byId.set(id, rest);
      else this.#byId.delete(id);
    } else if (waiting && event === "stream_started") waiting.httpStatus = 200;
    else if (waiting) waiting.retries += 1;
  }

  /**
   * Ends every open request.
   *
   * @param {string} cause what cut them off
   * @param {number} [now]
   * @returns {string[]} their last lines, without what only the worker knew
   */
  cut(cause, now = Date.now()) {
    const requests = [...this.#byId.values()].flat();
    this.#byId.clear();
    return requests.map(({ id, since, httpStatus, retries }) =>
      logLine("INFO", "response_complete", {
        correlation_id: id,
        status: "error",
        http_status: httpStatus,
        end_reason: "interrupted",
        cause,
        duration_ms: Math.max(0, now - since),
        retries,
      }),
    );
  }
}

/**
 * A log line in the worker's format.
 *
 * @param {"INFO" | "WARNING" | "ERROR"} level
 * @param {string} event
 * @param {Record<string, unknown>} fields
 */
export function logLine(level, event, fields) {
  const timestamp = new Date().toISOString().replace("Z", "000+00:00");
  return JSON.stringify({ timestamp, level, event, ...fields });
}
