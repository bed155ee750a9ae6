/**
 * The built worker, started in the runtime that serves it in production, and clients which talk to it over real
 * sockets, so that what a client does to its connection is what the worker gets to see.
 */
import { existsSync, readFileSync } from "node:fs";
import { request } from "node:http";
import { after } from "node:test";
import { Log, LogLevel, Miniflare } from "miniflare";
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

  async start(bindings) {
    const others = childProcesses();
    this.#miniflare = new Miniflare({
      log: new Log(LogLevel.ERROR),
      logRequests: false,
      enableDevRegistry: false,
      cf: false,
      handleStructuredLogs: (line) => this.#hear(line),
      workers: [workerOptions(bindings)],
    });
    await this.#miniflare.ready;
    this.url = (await this.#miniflare.unsafeGetDirectURL()).origin;
    this.#runtimePid = childProcesses().find((pid) => !others.includes(pid));
    return this;
  }

  /** Posts a chat: a value as JSON, a text or bytes as they are. The headers win over the usual ones. */
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
  fetch(path, { headers = {}, ...init } = {}) {
    // Compression would have the runtime hold frames back to compress them together.
    const sent = { "accept-encoding": "identity", ...headers };
    const named = Object.entries(sent).filter(([, value]) => value !== undefined);
    return within(fetch(this.url + path, { headers: named, ...init }), `an answer from ${path}`);
  }

  /**
   * Begins to post a chat whose body and whose connection are in the hands of the test.
   *
   * @returns {import('node:http').ClientRequest}
   */
  send(headers) {
    const type = { "content-type": "application/json", "accept-encoding": "identity" };
    const sending = request(`${this.url}/chat`, {
      method: "POST",
      headers: { ...type, ...headers },
    });
    // The worker may close the connection on what is still being sent, and so may the test.
    sending.on("error", () => {});
    return sending;
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

  /** Resolves when all that was logged before has arrived, on whichever console method; INFO must be logged. */
  async logsArrived() {
    const marker = crypto.randomUUID();
    await (await this.chat("", { headers: { "x-correlation-id": marker } })).text();
    await Promise.all([
      this.log("validation_error", marker),
      this.log("response_complete", marker),
    ]);
  }

  /** Memory that the runtime's process holds; 0 where the system does not tell. */
  memoryBytes() {
    if (this.#runtimePid === undefined) {
      return 0;
    }
    const status = readFileSync(`/proc/${this.#runtimePid}/status`, "utf8");
    return Number(status.match(/^VmRSS:\s*(\d+) kB$/m)[1]) * 1024;
  }

  async stop() {
    await this.#miniflare.dispose();
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
 * Starts the worker with these bindings; it ends with the test or the file that started it. `OPENAI_API_KEY` is set
 * unless a test says otherwise, a binding that is undefined is not there.
 *
 * @param {Record<string, unknown>} bindings
 */
export async function startWorker(bindings = {}) {
  const app = await new TestApp().start({ OPENAI_API_KEY: API_KEY, ...bindings });
  after(() => app.stop());
  return app;
}

function workerOptions(bindings) {
  const set = Object.entries(bindings).filter(([, value]) => value !== undefined);
  const binding = (value) => ({ type: typeof value === "string" ? "text" : "json", value });
  return {
    config: {
      name: "worker",
      ...shippedCompatibility(),
      manifest: {
        mainModule: "index.js",
        modules: {
          "index.js": { type: "esm", contents: built("index.js").toString() },
          "index_bg.wasm": { type: "wasm", contents: new Uint8Array(built("index_bg.wasm")) },
        },
      },
      env: Object.fromEntries(set.map(([name, value]) => [name, binding(value)])),
    },
    // A socket straight into the worker: Miniflare's own front door is a second worker, which production has not.
    dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] },
  };
}

/** Ids of this process's children; none where the system does not tell. */
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

/** The runtime that is tested is the one that is shipped: its date and flags are those of `wrangler.toml`. */
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

/** A line that is no JSON object is kept all the same: it is somebody's mistake, or the runtime's own. */
function parseRecord(message) {
  try {
    return Object(JSON.parse(message));
  } catch {
    return {};
  }
}
