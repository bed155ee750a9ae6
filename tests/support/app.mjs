/**
 * A running worker as a test sees it: clients that talk to it over real sockets, and the lines that it has logged. What a
 * client does to its connection is what the worker sees.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { leakIn, noteBody } from "./leaks.mjs";
import { checkAnswer, checkResponse } from "./openapi.mjs";
import { within } from "./within.mjs";

/**
 * A line that the worker logged.
 *
 * @typedef {object} LogLine
 * @property {string} method The console method that it was logged on.
 * @property {string} text The line as it was logged.
 * @property {any} record Its JSON.
 */

/** What the runtime says when another alarm is set just as one that is overdue goes off. Both do what they should. */
const OVERDUE = "NOSENTRY SQLite alarm overdue, running despite AlarmManager mismatch;";

export class App {
  /** Where it listens: an origin. @type {string} */
  url;
  /** Every line so far, in the order of their arrival. @type {LogLine[]} */
  logs = [];
  /** Whether pages are served in front of it. */
  hasPages = false;
  /** Whether its clock is the test's, so that for the runtime all alarms are long overdue. */
  hasOwnTime = false;
  #watchers = new Set();

  /** Posts a chat: text or bytes as they are, any other value as JSON. The headers win over the usual ones. */
  chat(body, { headers = {}, ...init } = {}) {
    const raw = body === undefined || typeof body === "string" || ArrayBuffer.isView(body);
    return this.fetch("/chat", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: raw ? body : JSON.stringify(body),
      ...init,
    });
  }

  get(path, init) {
    return this.fetch(path, init);
  }

  /** Sends a request. A header whose value is undefined is not sent. @returns {Promise<Response>} */
  async fetch(path, { headers = {}, ...init } = {}) {
    // With compression, the runtime would hold frames back to compress them together.
    const sent = { "accept-encoding": "identity", ...headers };
    const named = Object.entries(sent).filter(([, value]) => value !== undefined);
    noteBody(init.body);
    const asked = fetch(this.url + path, { headers: named, ...init });
    const response = await within(asked, `an answer from ${path}`);
    await checkResponse({ path, pages: this.hasPages, ...init }, response);
    return response;
  }

  /**
   * Begins to post a chat. The test writes its body and does what it likes to its connection.
   *
   * @returns {import('node:http').ClientRequest}
   */
  send(headers) {
    const type = { "content-type": "application/json", "accept-encoding": "identity" };
    const sending = request(`${this.url}/chat`, {
      method: "POST",
      headers: { ...type, ...headers },
    });
    // Both the worker and the test may close the connection while the body is still being sent.
    sending.on("error", () => {});
    return sending;
  }

  /**
   * Sends a request as `fetch` never would: its headers are a flat list of names and values, which may repeat.
   *
   * @param {string[]} headers
   * @returns {Promise<{ status: number, headers: Record<string, string>, text: string }>}
   */
  async raw(path, { method = "GET", headers = [], body = "" } = {}) {
    const list = ["host", new URL(this.url).host, "content-length", `${Buffer.byteLength(body)}`];
    const sending = request(this.url, { method, path, headers: [...list, ...headers] });
    noteBody(body);
    sending.end(body);
    const [response] = await within(once(sending, "response"), `an answer from ${path}`);
    const chunks = await within(Array.fromAsync(response), "the end of the answer");
    const text = Buffer.concat(chunks).toString();
    const status = response.statusCode;
    const asked = { path, method, pages: this.hasPages };
    checkAnswer(asked, { status, headers: new Headers(response.headers), text });
    return { status, headers: response.headers, text };
  }

  /**
   * Posts a chat over a connection of its own, byte for byte, and reads until that closes.
   *
   * @param {Record<string, string>} headers Written as they are; they win over the usual ones.
   * @param {string} [body]
   * @param {(socket: import('node:net').Socket) => unknown} [act] What the client does once it has written them.
   * @returns {Promise<{ status: number, head: string, text: string }>} The status is NaN where no answer came.
   */
  async wire(headers, body = "", act = () => {}) {
    const { host, port } = new URL(this.url);
    const all = { Host: host, "Content-Type": "application/json", ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(`POST /chat HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
    act(socket);
    const chunks = await within(
      Array.fromAsync(socket).catch(() => []),
      "the end of the connection",
    );
    const [head, ...rest] = Buffer.concat(chunks).toString().split("\r\n\r\n");
    const [, status] = head.match(/^HTTP\/1\.1 (\d{3})/) ?? [];
    return { status: Number(status), head, text: rest.join("\r\n\r\n") };
  }

  /** The lines of one request. */
  logsOf(correlationId) {
    return this.logs.filter((line) => line.record.correlation_id === correlationId);
  }

  /**
   * The first line of an event, now or when it comes.
   *
   * @param {string} name
   * @param {string | ((record: any) => boolean)} which The request's correlation id, or what else the line must be.
   * @returns {Promise<LogLine>}
   */
  async log(name, which = () => true) {
    const chosen = typeof which === "string" ? (record) => record.correlation_id === which : which;
    const matches = (line) => line.record.event === name && chosen(line.record);
    const known = this.logs.find(matches);
    if (known !== undefined) {
      return known;
    }
    const { promise, resolve } = Promise.withResolvers();
    const watcher = (line) => matches(line) && resolve(line);
    this.#watchers.add(watcher);
    const seen = () => this.logs.map((line) => line.text).join("\n") || "none";
    try {
      return await within(promise, () => `a log line '${name}'; lines seen:\n${seen()}`);
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  /**
   * Resolves once everything logged so far has arrived, on every console method. It needs a worker that logs INFO and
   * asks for no token.
   */
  async logsArrived() {
    const marker = crypto.randomUUID();
    await (await this.chat("", { headers: { "x-correlation-id": marker } })).text();
    await Promise.all([
      this.log("validation_error", marker),
      this.log("response_complete", marker),
    ]);
  }

  /** The id of the runtime's process; nothing where the system does not say. @returns {number | string | undefined} */
  get pid() {
    return undefined;
  }

  /** Memory that this process holds; 0 where the system does not say. */
  memoryBytes() {
    if (this.pid === undefined) {
      return 0;
    }
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(status.match(/^VmRSS:\s*(\d+) kB$/m)[1]) * 1024;
  }

  /**
   * Takes in a line of the log.
   *
   * @param {string} method The console method that it was logged on.
   * @param {string} text
   */
  hear(method, text) {
    const line = { method, text, record: parseRecord(text) };
    this.logs.push(line);
    for (const watcher of this.#watchers) {
      watcher(line);
    }
  }

  /**
   * Fails the test file for what is wrong with the log as a whole: no line may hold a secret or anything that was said,
   * every line is the worker's own, and each process had one instance, which answered everything.
   *
   * @param {{ isHarmed?: boolean, processes?: number }} [options] whether a test has harmed the worker on purpose, and
   *   how many processes have run it
   */
  checkLog(options) {
    for (const fault of this.#faults(options)) {
      // Throwing here would keep other workers' hooks from ending them. This fails the file just as well.
      console.error(fault);
      process.exitCode = 1;
    }
  }

  /** @returns {string[]} */
  #faults({ isHarmed = false, processes = 1 } = {}) {
    const faults = [];
    const leak = leakIn(this.logs.map((line) => line.text));
    if (leak !== undefined) {
      faults.push(`A log line tells ${JSON.stringify(leak.secret)}: ${leak.text}`);
    }
    if (isHarmed) return faults;
    const isOurs = ({ record, text }) =>
      record.event !== undefined || (this.hasOwnTime && text.startsWith(OVERDUE));
    for (const line of this.logs.filter((line) => !isOurs(line))) {
      faults.push(`A log line is not the worker's own: ${line.text}`);
    }
    const events = this.logs.map((line) => line.record.event);
    for (const event of ["instance_lost", "panic"].filter((event) => events.includes(event))) {
      faults.push(`The log has a line '${event}'`);
    }
    const starts = events.filter((event) => event === "application_started").length;
    // A worker whose configuration is wrong does not start.
    const least = events.includes("stream_started") ? 1 : 0;
    if (starts > processes || starts < least) faults.push(`The worker has started ${starts} times`);
    return faults;
  }
}

/** A line that is no JSON object is kept too: it is a mistake, or the runtime's own. */
function parseRecord(message) {
  try {
    return Object(JSON.parse(message));
  } catch {
    return {};
  }
}
