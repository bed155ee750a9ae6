/**
 * The built worker as `npm run serve` runs it, with conversations in a folder. A test may kill its process at any moment
 * and start it again: the address and the folder stay the same.
 *
 * ```js
 * const server = await startKept({ OPENAI_BASE_URL: upstream.url });
 * await server.kill();
 * await server.start();
 * ```
 */
import { after } from "node:test";
import { keepingIn } from "../../scripts/lib/assistant.mjs";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";
import { Workerd } from "../../scripts/lib/workerd.mjs";
import { App } from "./app.mjs";
import { API_KEY, secretsOf } from "./harness.mjs";
import { keepSecret } from "./leaks.mjs";
import { freePort } from "./script.mjs";
import { within } from "./within.mjs";

class KeptServer extends App {
  /** What the runtime itself has said: no log lines. @type {string[]} */
  words = [];
  #worker;
  #env;
  #port;
  #runtime;
  #starts = 0;

  constructor(worker, env, port) {
    super();
    this.#worker = worker;
    this.#env = env;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** The folder of its conversations. */
  get folder() {
    return this.#worker.storage;
  }

  get pid() {
    return this.#runtime?.pid;
  }

  /** Starts the process, and resolves once it listens. */
  async start() {
    this.#starts += 1;
    this.#runtime = new Workerd(
      { assistant: this.#worker },
      {
        address: `127.0.0.1:${this.#port}`,
        env: this.#env,
        onLine: (line) => this.#sort(line),
      },
    );
    await within(
      this.#runtime.listening(),
      () => `the server to listen:\n${this.words.join("\n")}`,
    );
    return this;
  }

  /** Kills the process, which has no chance to finish anything, and resolves once it is gone. */
  async kill() {
    process.kill(this.pid, "SIGKILL");
    await within(this.#runtime.ended, "the end of the server");
  }

  /** Ends the process in good order, and checks the log of all processes that there were. */
  async stop() {
    await this.#runtime?.stop();
    this.checkLog({ processes: this.#starts });
  }

  /** A killed process may leave half a line behind. */
  #sort(line) {
    if (/^\{.*\}$/.test(line)) this.hear("log", line);
    else this.words.push(line);
  }
}

/**
 * Starts one; it ends with the test or the file that started it. `OPENAI_API_KEY` is set unless a test says otherwise, and
 * a variable that is undefined is left out.
 *
 * @param {Record<string, string | undefined>} variables
 * @param {{ folder?: string, worker?: import("../../scripts/lib/workerd.mjs").Worker }} [options] the folder of its
 *   conversations, by default one of its own; and another worker than the built one
 */
export async function startKept(variables, options) {
  const server = await launchKept(variables, options);
  after(() => server.stop());
  return server;
}

/** The same outside of a test: the caller stops it. */
export async function launchKept(variables = {}, { folder = makeTemporary("kept-"), worker } = {}) {
  const env = Object.entries({ PATH: process.env.PATH, OPENAI_API_KEY: API_KEY, ...variables });
  keepSecret(...secretsOf(Object.fromEntries(env)));
  const set = Object.fromEntries(env.filter(([, value]) => value !== undefined));
  return new KeptServer(keepingIn(folder, worker), set, await freePort()).start();
}
