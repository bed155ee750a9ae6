import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "./paths.mjs";
import { Failure, launch } from "./process.mjs";
import { wranglerConfig } from "./wrangler-toml.mjs";

const require = createRequire(import.meta.url);

/**
 * A worker as the runtime takes it.
 *
 * @typedef {object} Worker
 * @property {Record<string, string>} modules Paths of its modules by their names, the main one first; `.wasm` is
 *   WebAssembly, `.js` and `.mjs` are ES modules.
 * @property {Record<string, string>} [vars] Text bindings whose values may stand in a file.
 * @property {string[]} [fromEnvironment] Text bindings whose values are read from the environment, where they are set.
 * @property {Record<string, string>} [services] Names of other workers by the names of the bindings that lead to them.
 * @property {Record<string, string>} [folders] Folders by the names of the bindings that fetch their files.
 */

/** The built worker's modules. */
export const BUILT = {
  "index.js": join(ROOT, "build", "index.js"),
  "index_bg.wasm": join(ROOT, "build", "index_bg.wasm"),
};

/** Folders of what runs, which go with this process at the latest. @type {Set<string>} */
const folders = new Set();
process.once("exit", () => folders.forEach(remove));

/** The runtime alone, without a development server around it: one process, the workers named and a socket. */
export class Workerd {
  #child;
  #folder;

  /**
   * @param {Record<string, Worker>} workers by name; the first one gets the requests
   * @param {{ address?: string, env?: NodeJS.ProcessEnv, onLine?: (line: string) => void, log?: number, within?: string[] }} [options]
   *   where to listen (a free port on loopback, unless told), what to do with each line that the workers log, or the
   *   open file that has them, and the command of a program that the runtime runs within, such as a profiler
   */
  constructor(
    workers,
    { address = "127.0.0.1:0", env = process.env, onLine = console.log, log, within = [] } = {},
  ) {
    // Not in the checkout, where a service may not write.
    this.#folder = mkdtempSync(join(tmpdir(), "personal-ai-assistant-"));
    folders.add(this.#folder);
    const config = join(this.#folder, "config.capnp");
    writeFileSync(config, configuration(workers, address));
    // The package gives the path of the program itself. It is there only once the node modules are.
    const { default: program } = require("workerd");
    // Both outputs go through one pipe: nobody can tell in which order the lines of two were written.
    const [command, ...before] = ["/bin/sh", "-c", 'exec "$@" 2>&1', "sh", ...within, program];
    const args = [...before, "serve", "--control-fd=3", "--import-path=/", config];
    this.#child = launch(command, args, {
      env,
      guarded: true,
      stdio: ["ignore", log ?? "pipe", "ignore", "pipe"],
    });
    const { stdout } = this.#child;
    if (stdout) createInterface({ input: stdout }).on("line", onLine);
    /** Resolves when the process has ended and all that it said was heard. @type {Promise<string>} how it ended */
    this.ended = new Promise((resolve) =>
      this.#child.once("close", (code, signal) => resolve(signal ?? `exit code ${code}`)),
    );
    this.ended.then(() => remove(this.#folder));
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

function remove(folder) {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}

/** What the runtime reads: see <https://github.com/cloudflare/workerd/blob/main/src/workerd/server/workerd.capnp>. */
function configuration(workers, address) {
  const services = Object.entries(workers).flatMap(([name, worker]) => [
    `(name = ${text(name)}, worker = ${workerOf(name, worker)})`,
    ...Object.entries(worker.folders ?? {}).map(
      ([binding, path]) => `(name = ${text(`${name}:${binding}`)}, disk = (path = ${text(path)}))`,
    ),
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
  { modules, vars = {}, fromEnvironment = [], services = {}, folders = {} },
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
  ];
  const files = Object.entries(modules).map(([name, path]) => {
    const kind = name.endsWith(".wasm") ? "wasm" : "esModule";
    return `(name = ${text(name)}, ${kind} = embed ${text(path)})`;
  });
  // With the date of the deployment, the runtime behaves as the deployed one does.
  return `(
      modules = [${files.join(", ")}],
      compatibilityDate = ${text(wranglerConfig().compatibility_date)},
      bindings = [${bindings.join(", ")}]
    )`;
}

/** A text as Cap'n Proto writes it: as JSON does, but for control characters. */
function text(value) {
  return JSON.stringify(value).replace(/\\\\|\\u00([0-9a-f]{2})/g, (match, code) =>
    code ? `\\x${code}` : match,
  );
}
