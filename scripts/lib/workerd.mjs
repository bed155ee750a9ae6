import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "./paths.mjs";
import { Failure, launch } from "./process.mjs";
import { makeTemporary, removeTemporary } from "./temporary.mjs";
import { wranglerConfig } from "./wrangler-toml.mjs";

const require = createRequire(import.meta.url);

/**
 * A worker, and what the runtime binds to it.
 *
 * @typedef {object} Worker
 * @property {Record<string, string>} modules Paths of its modules by their names, the main one first; `.wasm` is
 *   WebAssembly, `.js` and `.mjs` are ES modules.
 * @property {Record<string, string>} [vars] Text bindings with their values, which are written to a file.
 * @property {string[]} [fromEnvironment] Text bindings whose values come from the environment, if they are set there.
 * @property {Record<string, string>} [services] Bindings to other workers, by name.
 * @property {Record<string, string>} [folders] Bindings that fetch the files of a folder.
 * @property {Record<string, DurableObjects>} [durableObjects] Bindings to the worker's own Durable Objects.
 * @property {string[]} [compatibilityFlags]
 * @property {string} [storage] The folder in which they keep their data. They need one: in memory, the runtime has no SQL.
 */

/**
 * Durable Objects of one class, each with an SQLite database of its own.
 *
 * @typedef {object} DurableObjects
 * @property {string} className An export of the main module.
 * @property {string} uniqueKey The name of their folder in `storage`, and what their ids are derived from. Under another
 *   key, nothing that they have kept is found again.
 */

/** The built worker's modules. */
export const BUILT = {
  "index.js": join(ROOT, "build", "index.js"),
  "index_bg.wasm": join(ROOT, "build", "index_bg.wasm"),
};

/** The bare runtime, without a development server: one process with some workers and a socket. */
export class Workerd {
  #child;
  #folder;

  /**
   * @param {Record<string, Worker>} workers by name; the first one gets the requests
   * @param {{ address?: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void, log?: number, lock?: number }} [options]
   *   `address` to listen on, by default a free port on loopback; `onLine` is called with each line of output, unless
   *   `log`, an open file, gets the output; `lock` is an open file that the process keeps open as long as it runs, and
   *   with it the lock on it
   */
  constructor(
    workers,
    { address = "127.0.0.1:0", env = process.env, onLine = console.log, log, lock } = {},
  ) {
    // Not in the checkout, where a service may be unable to write.
    this.#folder = makeTemporary("personal-ai-assistant-");
    const config = join(this.#folder, "config.capnp");
    writeFileSync(config, configuration(workers, address));
    // The package exports the path of the program.
    const { default: program } = require("workerd");
    // One pipe for both outputs keeps their lines in the order in which they were written.
    const script = ["-c", 'exec "$@" 2>&1', "sh"];
    const serve = [program, "serve", "--control-fd=3", "--import-path=/", config];
    this.#child = launch("/bin/sh", [...script, ...serve], {
      env,
      guarded: true,
      stdio: ["ignore", log ?? "pipe", "ignore", "pipe", ...(lock === undefined ? [] : [lock])],
    });
    const { stdout } = this.#child;
    if (stdout) createInterface({ input: stdout }).on("line", onLine);
    /** Resolves when the process has ended and its output was read. @type {Promise<string>} how it ended */
    this.ended = new Promise((resolve) =>
      this.#child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`)),
    );
    this.ended.then(() => removeTemporary(this.#folder));
  }

  /** The process id. */
  get pid() {
    return this.#child.pid;
  }

  /**
   * Waits until the socket listens.
   * @returns {Promise<number>} the port
   * @throws {Failure} when the runtime ends first
   */
  async listening() {
    const control = createInterface({ input: this.#child.stdio[3] });
    for await (const line of control) {
      const message = JSON.parse(line);
      if (message.event === "listen") return message.port;
    }
    throw new Failure("workerd ended before it listened; the lines above say why.");
  }

  /** Ends the process. */
  async stop() {
    this.#child.kill("SIGTERM");
    await this.ended;
  }
}

/** The runtime's configuration: see <https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp>. */
function configuration(workers, address) {
  const services = Object.entries(workers).flatMap(([name, worker]) => [
    `(name = ${text(name)}, worker = ${workerOf(name, worker)})`,
    ...Object.entries(worker.folders ?? {}).map(
      ([binding, path]) => `(name = ${text(`${name}:${binding}`)}, disk = (path = ${text(path)}))`,
    ),
    ...(worker.storage === undefined
      ? []
      : [
          `(name = ${text(storageOf(name))}, disk = (path = ${text(worker.storage)}, writable = true))`,
        ]),
  ]);
  const [first] = Object.keys(workers);
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    ${services.join(",\n    ")},
    (name = "internet", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true)))
  ],
  sockets = [(name = "http", address = ${text(address)}, http = (), service = ${text(first)})]
);
`;
}

/**
 * @param {string} worker its name
 * @param {Worker} options
 */
function workerOf(
  worker,
  {
    modules,
    vars = {},
    fromEnvironment = [],
    services = {},
    folders = {},
    durableObjects = {},
    compatibilityFlags = [],
  },
) {
  const bindings = [
    ...Object.entries(vars).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ...fromEnvironment.map((name) => `(name = ${text(name)}, fromEnvironment = ${text(name)})`),
    ...Object.entries(services).map(
      ([name, service]) => `(name = ${text(name)}, service = ${text(service)})`,
    ),
    ...Object.keys(folders).map(
      (name) => `(name = ${text(name)}, service = ${text(`${worker}:${name}`)})`,
    ),
    ...Object.entries(durableObjects).map(
      ([name, { className }]) =>
        `(name = ${text(name)}, durableObjectNamespace = ${text(className)})`,
    ),
  ];
  const files = Object.entries(modules).map(([name, path]) => {
    const kind = name.endsWith(".wasm") ? "wasm" : "esModule";
    return `(name = ${text(name)}, ${kind} = embed ${text(path)})`;
  });
  // With the date of the deployment, the runtime behaves as the deployed one does.
  return `(
      modules = [${files.join(", ")}],
      compatibilityDate = ${text(wranglerConfig().compatibility_date)},
      compatibilityFlags = [${compatibilityFlags.map(text).join(", ")}],
      bindings = [${bindings.join(", ")}]${objectsOf(worker, durableObjects)}
    )`;
}

/** The classes of a worker's Durable Objects, and where these keep their data. */
function objectsOf(worker, durableObjects) {
  // Otherwise the bare runtime, unlike a deployment, ends an object two minutes after its last client has left, even
  // if it is still at work.
  const namespaces = Object.values(durableObjects).map(
    ({ className, uniqueKey }) =>
      `(className = ${text(className)}, uniqueKey = ${text(uniqueKey)}, enableSql = true, preventEviction = true)`,
  );
  if (namespaces.length === 0) return "";
  return `,
      durableObjectNamespaces = [${namespaces.join(", ")}],
      durableObjectStorage = (localDisk = ${text(storageOf(worker))})`;
}

/** The name of the service that is a worker's storage. */
function storageOf(worker) {
  return `${worker}:storage`;
}

/** A string literal of Cap'n Proto: that of JSON, but for control characters. */
function text(value) {
  return JSON.stringify(value).replace(/\\\\|\\u00([0-9a-f]{2})/g, (match, code) =>
    code ? `\\x${code}` : match,
  );
}
