/**
 * The requests that are under way, as far as the log tells: of each there is a first line and a last one. A request cannot
 * write its last line when the runtime dies, or the WebAssembly instance in it. Then it is written here.
 *
 * @typedef {{ id: string, since: number, httpStatus?: number, retries: number }} Request
 */

/** The beginning of a line that tells how far a request has come. */
const TOLD =
  /^\{"timestamp":"([^"]*)","level":"[^"]*","event":"(request_received|stream_started|upstream_retry|response_complete)","correlation_id":"([^"]*)"/;

/** The beginning of the line that tells of a lost instance. The runtime has one at a time, so all that is open is lost. */
const INSTANCE_LOST = /^\{"timestamp":"([^"]*)","level":"ERROR","event":"instance_lost",/;

export class OpenRequests {
  /**
   * Several clients may have chosen one id. Then a line is of the oldest one that it can be of: only a request without a
   * status can begin its stream, and only one with a stream can end it.
   *
   * @type {Map<string, Request[]>}
   */
  #byId = new Map();

  /**
   * Hears a log line of the worker.
   *
   * @param {string} line
   * @returns {string[]} the lines that follow it: the last ones of the requests that it ends
   */
  hear(line) {
    const [, lost] = line.match(INSTANCE_LOST) ?? [];
    if (lost !== undefined) return this.cut("the instance was lost", Date.parse(lost));
    const [, timestamp, event, id] = line.match(TOLD) ?? [];
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
   * Ends all that is open, and tells the last line of each. What only the worker knew is not in it.
   *
   * @param {string} cause what has cut them off
   * @param {number} [now]
   * @returns {string[]}
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
 * A log line in the worker's own form.
 *
 * @param {"INFO" | "WARNING" | "ERROR"} level
 * @param {string} event
 * @param {Record<string, unknown>} fields
 */
export function logLine(level, event, fields) {
  const timestamp = new Date().toISOString().replace("Z", "000+00:00");
  return JSON.stringify({ timestamp, level, event, ...fields });
}
