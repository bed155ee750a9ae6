/** Who takes part. Each one runs as a process of its own, on a port of its own. */
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "../../../scripts/lib/paths.mjs";
import { launch } from "../../../scripts/lib/process.mjs";
import { makeTemporary, removeTemporary } from "../../../scripts/lib/temporary.mjs";
import { BUILT, Workerd } from "../../../scripts/lib/workerd.mjs";
import { Missing, pythonEnvironment } from "../../compat/python.mjs";
import { temporaryFolder } from "../../compat/server.mjs";
import { freePort } from "../../support/script.mjs";
import { ACCESS_TOKENS, KEPT, PASSED, PASSED_BY_OBJECT, STATELESS } from "./load.mjs";
import { bundle } from "./npm.mjs";

const HERE = join(ROOT, "tests", "bench", "compare");
const WORKERS = join(HERE, "workers");
const LOG = join(temporaryFolder(), "log");
const REQUIREMENTS = ["fastapi==0.165.0", "uvicorn==0.54.0", "openai-agents==0.24.0"];

/** How long the Python service may take until it listens, in milliseconds. */
const START_MS = 60_000;

export { Missing };

/**
 * @typedef {object} Running
 * @property {number} pid
 * @property {number} port
 * @property {() => Promise<unknown>} stop
 */

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {string} title
 * @property {import("./load.mjs").Protocol} protocol What clients ask it and what they get.
 * @property {(upstreamUrl: string) => Promise<Running>} start
 */

/** @type {Contestant[]} */
export const CONTESTANTS = [
  onWorkerd("passthrough", "upstream passed through", withShared("passthrough"), {
    protocol: PASSED,
  }),
  onWorkerd("identity", "identity pump, JS", withShared("identity"), { protocol: PASSED }),
  onWorkerd("worker", "this worker", BUILT),
  onWorkerd("idiomatic", "idiomatic JS", withShared("idiomatic")),
  onWorkerd("same-features", "JS, same features", sameFeatures()),
  { name: "python", title: "FastAPI + Agents SDK", protocol: STATELESS, start: startPython },
];

/**
 * Those that keep answers, in SQLite on this machine's disk, beside the worker that keeps none.
 *
 * @type {Contestant[]}
 */
export const KEEPERS = [
  onWorkerd("worker", "this worker, not kept", BUILT),
  onWorkerd("object", "identity pump in an object, JS", withShared("object"), {
    protocol: PASSED_BY_OBJECT,
    className: "Pump",
  }),
  onWorkerd("kept", "this worker, kept", BUILT, { protocol: KEPT, className: "Owner" }),
  onWorkerd("agents", "agents/streams, JS", agents, {
    protocol: KEPT,
    className: "Keeper",
    // For what the package imports of Node's.
    compatibilityFlags: ["nodejs_compat"],
  }),
];

/** Another build of this worker. */
export function builtIn(name, folder, isKeeper = false) {
  const modules = Object.keys(BUILT).map((file) => [file, resolve(folder ?? "", file)]);
  const missing = modules.find(([, path]) => !existsSync(path));
  if (missing) throw new Error(`--build ${name}: there is no ${missing[1]}.`);
  const how = isKeeper ? { protocol: KEPT, className: "Owner" } : {};
  return onWorkerd(name, name, Object.fromEntries(modules), how);
}

/**
 * @param {Record<string, string> | (() => Promise<Record<string, string>>)} modules
 * @param {{ protocol?: import("./load.mjs").Protocol, className?: string, compatibilityFlags?: string[] }} [how]
 *   `className` is that of its Durable Objects
 * @returns {Contestant}
 */
function onWorkerd(name, title, modules, { protocol = STATELESS, ...rest } = {}) {
  const start = async (upstreamUrl) => {
    const found = typeof modules === "function" ? await modules() : modules;
    return startWorkerd({ modules: found, vars: bindings(upstreamUrl), ...rest });
  };
  return { name, title, protocol, start };
}

/** Its modules: the worker, and of npm the package that keeps what is streamed. */
async function agents() {
  const main = join(WORKERS, "agents.mjs");
  return { "agents.mjs": await bundle("bench-agents", main, ["agents@0.32.0"]) };
}

function withShared(name) {
  return {
    [`${name}.mjs`]: join(WORKERS, `${name}.mjs`),
    "shared.mjs": join(WORKERS, "shared.mjs"),
  };
}

/** Its modules, the main one first. */
function sameFeatures() {
  const folder = join(WORKERS, "same-features");
  const others = readdirSync(folder).filter((name) => name !== "index.mjs");
  return Object.fromEntries(["index.mjs", ...others].map((name) => [name, join(folder, name)]));
}

/** What a deployment has switched on: access tokens, clocks, redaction, the log. */
function bindings(upstreamUrl) {
  return {
    OPENAI_API_KEY: "sk-bench-0123456789abcdefghij",
    OPENAI_BASE_URL: upstreamUrl,
    ACCESS_TOKENS,
    REQUIRE_AUTH: "true",
    MAX_ANSWERS_AT_ONCE: "100",
    LOG_LEVEL: "INFO",
  };
}

/**
 * The runtime alone. Its log goes to a file: waking somebody who reads a pipe costs CPU that is not the worker's.
 *
 * @returns {Promise<Running>}
 */
async function startWorkerd({ className, ...worker }) {
  const log = openSync(LOG, "a");
  const storage = className && makeTemporary("bench-kept-");
  const objects = storage && {
    durableObjects: { OWNERS: { className, uniqueKey: "bench" } },
    storage,
  };
  const server = new Workerd({ main: { ...worker, ...objects } }, { log });
  closeSync(log);
  const stop = async () => {
    await server.stop();
    if (storage) removeTemporary(storage);
  };
  return { port: await server.listening(), pid: server.pid, stop };
}

/** @returns {Promise<Running>} */
async function startPython(upstreamUrl) {
  const { python } = await pythonEnvironment("bench-fastapi", {
    requirements: REQUIREMENTS,
    takes: "about a minute",
  });
  const port = await freePort();
  const args = ["-m", "uvicorn", "app:app", "--port", `${port}`, "--log-level", "warning"];
  const child = launch(python, args, {
    cwd: join(HERE, "python"),
    env: { ...process.env, ...bindings(upstreamUrl), PYTHONDONTWRITEBYTECODE: "1" },
    guarded: true,
  });
  const stop = () => {
    child.kill("SIGTERM");
    return once(child, "close");
  };
  const deadline = performance.now() + START_MS;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      throw new Missing("the Python service did not start");
    }
    await sleep(20);
  }
  return { pid: child.pid, port, stop };
}

async function accepts(port) {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
