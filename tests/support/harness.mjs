/** The built worker, in the runtime that serves it in production. `kept.mjs` has one that a test may kill. */
import { existsSync, readFileSync } from "node:fs";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { Log, LogLevel, Miniflare } from "miniflare";
import { OWNERS } from "../../scripts/lib/assistant.mjs";
import { App } from "./app.mjs";
import { keepSecret } from "./leaks.mjs";

const ROOT = new URL("../../", import.meta.url);

/** The key of a worker whose test gives none. */
export const API_KEY = "sk-test-0123456789abcdefghij";

class TestApp extends App {
  #miniflare;
  #runtimePid;
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
      handleStructuredLogs: ({ level, message }) => this.hear(level, message),
      resourcePersistencePath: typeof options.owners === "string" ? options.owners : undefined,
      workers: [workerOptions(bindings, options), ...(options.workers ?? [])],
    });
    await this.#miniflare.ready;
    this.url = (await this.#miniflare.unsafeGetDirectURL()).origin;
    this.hasPages = Boolean(options.pages);
    this.hasOwnTime = options.front?.includes("Date.now = ") ?? false;
    this.#isHarmed = options.isHarmed ?? false;
    this.#runtimePid = childProcesses().find((pid) => !others.includes(pid));
    return this;
  }

  get pid() {
    return this.#runtimePid;
  }

  /** Where the runtime's inspector listens, when it was started with an `inspectorPort`. @returns {Promise<URL>} */
  inspectorUrl() {
    return this.#miniflare.getInspectorURL();
  }

  /** Ends the worker, and checks its log as a whole. */
  async stop() {
    await this.#miniflare.dispose();
    this.checkLog({ isHarmed: this.#isHarmed });
  }
}

/**
 * @typedef {object} Options
 * @property {string} [front] The source of a main module in front of the worker's own; see `clock.mjs`.
 * @property {Record<string, object>} [env] Bindings that are no plain values, as Miniflare's configuration has them.
 * @property {object[]} [workers] Other workers, which those bindings lead to; see `limiter.mjs`.
 * @property {boolean | string} [owners] Whether the worker keeps conversations. It keeps them in a folder of its own, which
 *   is removed when it ends, or in the one that is named here. A worker without this option is as one without the binding
 *   `OWNERS`.
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

function workerOptions(bindings, { env, owners = false, pages = false, front }) {
  const set = Object.entries(bindings).filter(([, value]) => value !== undefined);
  const binding = (value) => ({ type: typeof value === "string" ? "text" : "json", value });
  const main = owners && !front?.includes("export class Owner") ? front + REEXPORT : front;
  return {
    config: {
      name: "worker",
      ...shippedCompatibility(),
      manifest: {
        mainModule: front === undefined ? "index.js" : "front.js",
        modules: {
          ...(front !== undefined && { "front.js": { type: "esm", contents: main } }),
          "index.js": { type: "esm", contents: built("index.js").toString() },
          "index_bg.wasm": { type: "wasm", contents: new Uint8Array(built("index_bg.wasm")) },
        },
      },
      env: {
        ...Object.fromEntries(set.map(([name, value]) => [name, binding(value)])),
        ...(owners && ownerBindings()),
        ...env,
      },
      exports: owners ? ownerClasses() : undefined,
      assets: pages ? { directory: folderOf(pages), hasUserWorker: true } : undefined,
    },
    // A socket straight into the worker. Miniflare's own front door is a second worker, which production does not have.
    dev: { unsafeDirectSockets: [{ host: "127.0.0.1", port: 0 }] },
  };
}

/** Behind a module in front of the worker's own: the runtime looks for the objects' classes in the main module. */
const REEXPORT = `\nexport const { ${classNames().join(", ")} } = await import("./index.js");\n`;

function classNames() {
  return Object.values(OWNERS).map(({ className }) => className);
}

function ownerBindings() {
  const bindings = Object.entries(OWNERS).map(([name, { className }]) => [
    name,
    { type: "durable-object", worker: "worker", exportName: className },
  ]);
  return Object.fromEntries(bindings);
}

/** As on one's own server; a deployment has no need for `unsafePreventEviction`. */
function ownerClasses() {
  const live = { type: "durable-object", storage: "sqlite", unsafePreventEviction: true };
  return Object.fromEntries(
    Object.values(OWNERS).map(({ className, uniqueKey }) => [
      className,
      { ...live, unsafeUniqueKey: uniqueKey },
    ]),
  );
}

/** What of a worker's variables must not be logged. */
export function secretsOf({ OPENAI_API_KEY, FALLBACK_API_KEY, ACCESS_TOKENS = "", SYSTEM_PROMPT }) {
  const tokens = `${ACCESS_TOKENS}`.split(",").map((entry) => entry.slice(entry.indexOf(":") + 1));
  return [OPENAI_API_KEY, FALLBACK_API_KEY, SYSTEM_PROMPT, ...tokens];
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
