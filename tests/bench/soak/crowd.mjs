/**
 * A crowd: short requests of every kind, some dozens at a time, of which many are cut off by their clients at random
 * moments. Each has one last line in the log, whatever became of it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { randomOf } from "../../support/random.mjs";
import { delta, done, event, finish, usage } from "../../support/upstream.mjs";
import { until } from "./until.mjs";

/** How many are under way at once. */
const TOGETHER = 48;

/** Longest time before a client cuts its request off, in milliseconds: some come too late. */
const MAX_ABORT_MS = 15;

const HELLO = JSON.stringify({ message: "Hello" });
/** Breaks the connection: what is broken may overtake what was written. */
function breakOff(call) {
  call.write(delta("a"));
  call.cut();
}

const refuse = (status, headers) => (call) => call.respond(status, { error: {} }, headers);

/**
 * What upstream does, and how that has to end.
 * @type {[serve: (call: import('../../support/upstream.mjs').Call) => unknown, status: number, endReason: string][]}
 */
const ANSWERS = [
  [(call) => call.end(delta("a"), finish("stop"), usage(1, 1), done), 200, "done"],
  [(call) => call.end(delta("a"), finish("stop")), 200, "done"],
  [(call) => call.end(delta("a"), done), 200, "done"],
  [(call) => call.end(delta("a"), finish("stop"), "data: }\n\n"), 200, "done"],
  [breakOff, 200, "upstream_truncated"],
  [(call) => call.end(delta("a")), 200, "upstream_truncated"],
  [(call) => call.end(), 200, "upstream_truncated"],
  [(call) => call.end(done), 200, "upstream_truncated"],
  [(call) => call.end(delta("a"), finish("error")), 200, "upstream_error"],
  [(call) => call.end(delta("a"), event({ error: { code: "x" } })), 200, "upstream_error"],
  [(call) => call.end(delta("a"), "data: {\n\n"), 200, "upstream_protocol"],
  [refuse(401), 502, "upstream_error"],
  [refuse(500, { "retry-after-ms": "1" }), 502, "upstream_error"],
  [refuse(503, { "x-should-retry": "false" }), 503, "upstream_error"],
  [refuse(302, { location: "http://127.0.0.1:9/" }), 502, "upstream_protocol"],
  [(call) => call.respond(200, "<html>"), 502, "upstream_protocol"],
];

/** Requests that never reach upstream. */
const REFUSED = [
  [{ body: "{" }, 400],
  [{ body: '{"message":" "}' }, 400],
  [{ body: " ".repeat(70_000) }, 413],
  [{ body: HELLO, headers: { "content-type": "text/plain" } }, 415],
  [{ body: HELLO, path: "/nothing" }, 404],
  [{ method: "PUT", body: HELLO }, 405],
];

export class Crowd {
  /** @type {string[]} */
  violations = [];
  #app;
  #upstream;
  #random;
  #linesBefore;
  /** The requests not yet begun, the last one first. @type {{ id: string, kind: any[], aborts: boolean }[]} */
  #waiting;
  #kinds = new Map();
  #expected = new Map();

  /** @param {{ requests: number, aborts: number }} counts */
  constructor(app, upstream, { requests, aborts }, seed) {
    this.#app = app;
    this.#upstream = upstream;
    this.#random = randomOf(seed);
    this.#linesBefore = app.logs.length;
    const kinds = [...ANSWERS, ...REFUSED];
    this.#waiting = Array.from({ length: requests }, (_, index) => ({
      id: `crowd-${index}`,
      kind: kinds[index % kinds.length],
      aborts:
        Math.floor(((index + 1) * aborts) / requests) > Math.floor((index * aborts) / requests),
    }));
  }

  /** Answers one of the worker's calls. @param {import('../../support/upstream.mjs').Call} call */
  serve(call) {
    const [serve] = this.#kinds.get(call.headers["x-client-request-id"]);
    serve(call);
  }

  async run() {
    const started = performance.now();
    const { length: requests } = this.#waiting;
    const aborts = this.#waiting.filter((each) => each.aborts).length;
    await Promise.all(Array.from({ length: TOGETHER }, () => this.#work()));
    const durationMs = performance.now() - started;
    await until(() => this.#completions().size >= requests - aborts);
    await until(async () => (await this.#upstream.connections()) === 0);
    await this.#app.logsArrived();
    const completed = this.#check();
    const openSockets = await this.#upstream.connections();
    if (openSockets > 0) this.violations.push(`${openSockets} upstream sockets are left open`);
    return { requests, aborts, completed, openSockets, durationMs };
  }

  async #work() {
    for (let next = this.#waiting.pop(); next; next = this.#waiting.pop()) await this.#ask(next);
  }

  async #ask({ id, kind, aborts }) {
    const isAnswered = typeof kind[0] === "function";
    const [, status, endReason = "rejected"] = kind;
    if (isAnswered) this.#kinds.set(id, kind);
    this.#expected.set(id, aborts ? undefined : { status, endReason });
    const client = new AbortController();
    const { path = "/chat", headers, ...init } = isAnswered ? { body: HELLO } : kind[0];
    const asked = fetch(this.#app.url + path, {
      method: "POST",
      headers: { "content-type": "application/json", "x-correlation-id": id, ...headers },
      signal: client.signal,
      ...init,
    }).then(async (response) => {
      await response.text();
      return response.status;
    });
    const answered = asked.catch(() => "no answer");
    if (aborts) {
      await Promise.race([answered, sleep(this.#random.below(MAX_ABORT_MS))]);
      client.abort();
    }
    const got = await answered;
    if (!aborts && got !== status) this.violations.push(`${id}: ${got} instead of ${status}`);
  }

  /** The last lines, by id. @returns {Map<string, any[]>} */
  #completions() {
    const records = this.#app.logs.slice(this.#linesBefore).map((line) => line.record);
    const last = records.filter((record) => record.event === "response_complete");
    return Map.groupBy(
      last.filter((record) => this.#expected.has(record.correlation_id)),
      (record) => record.correlation_id,
    );
  }

  /** @returns {number} how many last lines there are */
  #check() {
    const completions = this.#completions();
    const received = this.#app.logs
      .slice(this.#linesBefore)
      .filter((line) => line.record.event === "request_received");
    const arrived = new Set(received.map((line) => line.record.correlation_id));
    for (const [id, expected] of this.#expected) {
      const lines = completions.get(id) ?? [];
      // A client that is quick enough has left before the worker heard of it.
      const isKnown = expected !== undefined || arrived.has(id);
      if (lines.length > 1 || (isKnown && lines.length !== 1)) {
        this.violations.push(`${id}: ${lines.length} response_complete lines`);
      } else if (expected && lines[0].end_reason !== expected.endReason) {
        this.violations.push(`${id}: ${lines[0].end_reason} instead of ${expected.endReason}`);
      }
    }
    return [...completions.values()].flat().length;
  }
}
