/** Who takes part. Each one runs as a process of its own, on a port of its own. */
import { once } from "node:events";
import { closeSync, existsSync, openSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "../../../scripts/lib/paths.mjs";
import { launch } from "../../../scripts/lib/process.mjs";
import { BUILT, Workerd } from "../../../scripts/lib/workerd.mjs";
import { Missing, pythonEnvironment } from "../../compat/python.mjs";
import { temporaryFolder } from "../../compat/server.mjs";
import { freePort } from "../../support/script.mjs";
import { ACCESS_TOKEN } from "./load.mjs";

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
 * @property {boolean} passes Whether clients get upstream's bytes unchanged instead of frames.
 * @property {(upstreamUrl: string) => Promise<Running>} start
 */

/** @type {Contestant[]} */
export const CONTESTANTS = [
  onWorkerd("passthrough", "upstream passed through", withShared("passthrough"), true),
  onWorkerd("identity", "identity pump, JS", withShared("identity"), true),
  onWorkerd("worker", "this worker", BUILT),
  onWorkerd("idiomatic", "idiomatic JS", withShared("idiomatic")),
  onWorkerd("same-features", "JS, same features", sameFeatures()),
  { name: "python", title: "FastAPI + Agents SDK", passes: false, start: startPython },
];

/** Another build of this worker. */
export function builtIn(name, folder) {
  const modules = Object.keys(BUILT).map((file) => [file, resolve(folder ?? "", file)]);
  const missing = modules.find(([, path]) => !existsSync(path));
  if (missing) throw new Error(`--build ${name}: there is no ${missing[1]}.`);
  return onWorkerd(name, name, Object.fromEntries(modules));
}

/** @returns {Contestant} */
function onWorkerd(name, title, modules, passes = false) {
  return { name, title, passes, start: (upstreamUrl) => startWorkerd(modules, upstreamUrl) };
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
    ACCESS_TOKENS: `bench:${ACCESS_TOKEN}`,
    REQUIRE_AUTH: "true",
    LOG_LEVEL: "INFO",
  };
}

/**
 * The runtime alone. Its log goes to a file: waking somebody who reads a pipe costs CPU that is not the worker's.
 *
 * @returns {Promise<Running>}
 */
async function startWorkerd(modules, upstreamUrl) {
  const log = openSync(LOG, "a");
  const server = new Workerd({ main: { modules, vars: bindings(upstreamUrl) } }, { log });
  closeSync(log);
  return { port: await server.listening(), pid: server.pid, stop: () => server.stop() };
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
