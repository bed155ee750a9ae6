/** Who takes part: each starts as a process of its own on a port of its own. */
import { once } from "node:events";
import { closeSync, openSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "../../../scripts/lib/paths.mjs";
import { launch } from "../../../scripts/lib/process.mjs";
import { BUILT, Workerd } from "../../../scripts/lib/workerd.mjs";
import { Missing, pythonEnvironment } from "../../compat/python.mjs";
import { temporaryFolder } from "../../compat/server.mjs";
import { freePort } from "../../support/script.mjs";
import { ACCESS_TOKEN, API_KEY } from "./settings.mjs";

const HERE = join(ROOT, "tests", "bench", "compare");

const LOG = join(temporaryFolder(), "log");

const REQUIREMENTS = ["fastapi==0.165.0", "uvicorn==0.54.0", "openai-agents==0.24.0"];

/** How long a server may take until it listens, in milliseconds. */
const START_MS = 60_000;

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
 * @property {boolean} passes Whether it gives upstream's bytes as they are instead of frames.
 * @property {(upstreamUrl: string, within?: string[]) => Promise<Running>} start `within`: the command of a program
 *   that the runtime runs within; Python's service takes none
 */

/**
 * The worker stands among those that it is compared with: what is measured right after one another had the same machine.
 *
 * @type {Contestant[]}
 */
export const CONTESTANTS = [
  javascript("passthrough", "upstream passed through", { passes: true }),
  javascript("identity", "identity pump, JS", { passes: true }),
  {
    name: "worker",
    title: "this worker",
    passes: false,
    start: (upstreamUrl, within) => workerd(BUILT, bindings(upstreamUrl), within),
  },
  javascript("idiomatic", "idiomatic JS", { passes: false }),
  {
    name: "same-features",
    title: "JS, same features",
    passes: false,
    start: (upstreamUrl, within) => workerd(sameFeatures(), bindings(upstreamUrl), within),
  },
  javascript("hand-tuned", "hand-tuned JS", { passes: false }),
  {
    name: "python",
    title: "FastAPI + Agents SDK",
    passes: false,
    start: startPython,
  },
];

export { Missing };

/** @returns {Contestant} */
function javascript(name, title, { passes }) {
  const modules = {
    [`${name}.mjs`]: join(HERE, "workers", `${name}.mjs`),
    "shared.mjs": join(HERE, "workers", "shared.mjs"),
  };
  const start = (upstreamUrl, within) => workerd(modules, bindings(upstreamUrl), within);
  return { name, title, passes, start };
}

/** Its modules, the main one first. */
function sameFeatures() {
  const folder = join(HERE, "workers", "same-features");
  const others = readdirSync(folder).filter((name) => name !== "index.mjs");
  return Object.fromEntries(["index.mjs", ...others].map((name) => [name, join(folder, name)]));
}

/** The worker has everything on that a deployment has: access tokens, clocks, redaction, its log. */
function bindings(upstreamUrl) {
  return {
    OPENAI_API_KEY: API_KEY,
    OPENAI_BASE_URL: upstreamUrl,
    ACCESS_TOKENS: `bench:${ACCESS_TOKEN}`,
    REQUIRE_AUTH: "true",
    LOG_LEVEL: "INFO",
  };
}

/**
 * The runtime alone. Its log goes to a file: what it costs to wake somebody who reads a pipe is not the worker's.
 *
 * @returns {Promise<Running>}
 */
export async function workerd(modules, vars, within = []) {
  const log = openSync(LOG, "a");
  const server = new Workerd({ main: { modules, vars } }, { log, within });
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
    await sleep(50);
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
