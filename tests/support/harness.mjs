/**
 * The built worker, in the runtime that serves it in production, and clients that talk to it over real sockets: what a
 * client does to its connection is what the worker sees.
 */
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { Log, LogLevel, Miniflare } from "miniflare";
import { keepSecret, leakIn, noteBody } from "./leaks.mjs";
import { checkAnswer, checkResponse } from "./openapi.mjs";
import { within } from "./within.mjs";

const ROOT = new URL("../../", import.meta.url);

/** The key of a worker whose test gives none. */
export const API_KEY = "sk-test-0123456789abcdefghij";

/**
 * A line that the worker logged.
 *
 * @typedef {object} LogLine
 * @property {string} method The console method that it was logged on.
 * @property {string} text The line as it was logged.
 * @property {any} record Its JSON.
 */

class TestApp {
  /** Every line so far, in the order of their arrival. @type {LogLine[]} */
  logs = [];
  #miniflare;
  #runtimePid;
  #watchers = new Set();
  #pages = false;
  /** Whether a test harms the worker on purpose. */
  #isHarmed = false;

  async start(bindings, options) {
    keepSecret(...secretsOf(bindings));
    const others = childProcesses();
    this.#miniflare = new Miniflare({
      log: new Log(LogLevel.ERROR),
      logRequests: false,
      enableDevRegistry: false,
      cf: false,
      inspectorPort: options.inspectorPort,
      handleStructuredLogs: (line) => this.#hear(line),
      workers: [workerOptions(bindings, options), ...(options.workers ?? [])],
    });
    await this.#miniflare.ready;
    this.url = (await this.#miniflare.unsafeGetDirectURL()).origin;
    this.#pages = options.pages ?? false;
    this.#isHarmed = options.isHarmed ?? false;
    this.#runtimePid = childProcesses().find((pid) => !others.includes(pid));
    return this;
  }

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
    await checkResponse({ path, pages: this.#pages, ...init }, response);
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
    const asked = { path, method, pages: this.#pages };
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

  /** Memory that the runtime's process holds; 0 where the system does not say. */
  memoryBytes() {
    if (this.#runtimePid === undefined) {
      return 0;
    }
    const status = readFileSync(`/proc/${this.#runtimePid}/status`, "utf8");
    return Number(status.match(/^VmRSS:\s*(\d+) kB$/m)[1]) * 1024;
  }

  /** Where the runtime's inspector listens, when it was started with an `inspectorPort`. @returns {Promise<URL>} */
  inspectorUrl() {
    return this.#miniflare.getInspectorURL();
  }

  /**
   * Ends the worker and checks its log as a whole: no line may hold a secret or anything that was said, every line is
   * the worker's own, and one instance answered everything.
   */
  async stop() {
    await this.#miniflare.dispose();
    for (const fault of this.#faults()) {
      // Throwing here would keep other workers' hooks from ending them. This fails the file just as well.
      console.error(fault);
      process.exitCode = 1;
    }
  }

  /** What is wrong with the log as a whole. @returns {string[]} */
  #faults() {
    const faults = [];
    const leak = leakIn(this.logs.map((line) => line.text));
    if (leak !== undefined) {
      faults.push(`A log line tells ${JSON.stringify(leak.secret)}: ${leak.text}`);
    }
    if (this.#isHarmed) return faults;
    const isOurs = ({ record }) => record.event !== undefined;
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
    if (starts > 1 || starts < least) faults.push(`The worker has started ${starts} times`);
    return faults;
  }

  #hear({ level, message }) {
    const line = { method: level, text: message, record: parseRecord(message) };
    this.logs.push(line);
    for (const watcher of this.#watchers) {
      watcher(line);
    }
  }
}

/**
 * @typedef {object} Options
 * @property {string} [front] The source of a main module in front of the worker's own; see `clock.mjs`.
 * @property {Record<string, object>} [env] Bindings that are no plain values, as Miniflare's configuration has them.
 * @property {object[]} [workers] Other workers, which those bindings lead to; see `limiter.mjs`.
 * @property {boolean | string} [pages] Whether the built pages, or those of a folder, are served in front of the worker.
 * @property {number} [inspectorPort] Where the runtime's inspector listens.
 * @property {boolean} [isHarmed] Whether the test harms the worker, so that its log may say so.
 */

/**
 * Starts the worker; it ends with the test or the file that started it. `OPENAI_API_KEY` is set unless a test says
 * otherwise, and a binding that is undefined is left out.
 *
 * @param {Record<string, unknown>} bindings
 * @param {Options} [options]
 */
export async function startWorker(bindings = {}, options = {}) {
  const app = await launchWorker(bindings, options);
  after(() => app.stop());
  return app;
}

/** The same outside of a test: the caller stops it. */
export function launchWorker(bindings = {}, options = {}) {
  return new TestApp().start({ OPENAI_API_KEY: API_KEY, ...bindings }, options);
}

function workerOptions(bindings, { env, pages = false, front }) {
  const set = Object.entries(bindings).filter(([, value]) => value !== undefined);
  const binding = (value) => ({ type: typeof value === "string" ? "text" : "json", value });
  return {
    config: {
      name: "worker",
      ...shippedCompatibility(),
      manifest: {
        mainModule: front === undefined ? "index.js" : "front.js",
        modules: {
          ...(front !== undefined && { "front.js": { type: "esm", contents: front } }),
          "index.js": { type: "esm", contents: built("index.js").toString() },
          "index_bg.wasm": { type: "wasm", contents: new Uint8Array(built("index_bg.wasm")) },
        },
      },
      env: { ...Object.fromEntries(set.map(([name, value]) => [name, binding(value)])), ...env },
      assets: pages ? { directory: folderOf(pages), hasUserWorker: true } : undefined,
    },
    // A socket straight into the worker. Miniflare's own front door is a second worker, which production does not have.
    dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] },
  };
}

function secretsOf({ OPENAI_API_KEY, ACCESS_TOKENS = "", SYSTEM_PROMPT }) {
  const tokens = ACCESS_TOKENS.split(",").map((entry) => entry.slice(entry.indexOf(":") + 1));
  return [OPENAI_API_KEY, SYSTEM_PROMPT, ...tokens];
}

/** Ids of this process's children; none where the system does not say. */
function childProcesses() {
  const path = `/proc/self/task/${process.pid}/children`;
  return existsSync(path) ? readFileSync(path, "utf8").split(" ").filter(Boolean) : [];
}

function built(name) {
  try {
    return readFileSync(new URL(`build/${name}`, ROOT));
  } catch (cause) {
    throw new Error(`There is no build/${name} to test: run 'npm run build' first`, { cause });
  }
}

function folderOf(pages) {
  if (typeof pages === "string") return pages;
  const folder = new URL("build/public", ROOT);
  if (existsSync(folder)) return fileURLToPath(folder);
  throw new Error("There is no build/public to test: run 'npm run build' first");
}

/** Tests run with the compatibility date and flags that `wrangler.toml` ships. */
function shippedCompatibility() {
  const toml = readFileSync(new URL("wrangler.toml", ROOT), "utf8");
  const value = (name) => {
    const [, literal] = toml.match(new RegExp(`^${name} *= *([^#\\n]+)`, "m")) ?? [];
    return literal && JSON.parse(literal);
  };
  return {
    compatibilityDate: value("compatibility_date"),
    compatibilityFlags: value("compatibility_flags"),
  };
}

/** A line that is no JSON object is kept too: it is a mistake, or the runtime's own. */
function parseRecord(message) {
  try {
    return Object(JSON.parse(message));
  } catch {
    return {};
  }
}
