/** A server that somebody else wrote, run on loopback for as long as it is asked. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** The longest that a server may take until it answers: some import a great deal. */
const START_MS = 120_000;

/** What of this machine's environment a server gets: no key, no proxy and no setting of its owner. */
const INHERITED = ["HOME", "LANG", "PATH", "TMPDIR"];

/** The key that a server asks of its callers. */
export const SERVER_KEY = "sk-compat-0123456789abcdef";

export class Server {
  /** All that it printed so far. */
  output = "";
  #child;
  #over = false;

  /**
   * @param {string} command
   * @param {string[]} args
   * @param {Record<string, string>} env
   */
  constructor(command, args, env = {}) {
    const inherited = INHERITED.filter((name) => name in process.env);
    this.#child = spawn(command, args, {
      // Some read settings from where they are started.
      cwd: tmpdir(),
      env: { ...Object.fromEntries(inherited.map((name) => [name, process.env[name]])), ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        this.output += text;
      });
    }
    this.ended = new Promise((resolve) => {
      this.#child.once("close", resolve).once("error", resolve);
    }).then(() => {
      this.#over = true;
    });
    // Whatever becomes of this process, the server does not outlive it.
    process.once("exit", this.#kill);
  }

  /** Waits until it answers a GET. @param {string} url */
  async ready(url) {
    await this.#until(() => answers(url), `an answer from ${url}`, START_MS);
  }

  /**
   * Waits until it has printed what matches, so many times.
   *
   * @param {RegExp} pattern with the flag `g`
   * @returns {Promise<RegExpExecArray>} the last of these matches
   */
  async printed(pattern, times = 1) {
    const matches = () => [...this.output.matchAll(pattern)];
    const awaited = `${times} times ${pattern} in what it prints`;
    await this.#until(() => matches().length >= times, awaited, 10_000);
    return matches()[times - 1];
  }

  /** The end of what it printed. */
  tail() {
    return this.output.split("\n").slice(-20).join("\n").slice(-4000);
  }

  /** Ends it: politely, and after three seconds for good. */
  async stop() {
    this.#child.kill("SIGTERM");
    await Promise.race([this.ended, sleep(3000, undefined, { ref: false })]);
    this.#kill();
    await this.ended;
    process.off("exit", this.#kill);
  }

  #kill = () => this.#child.kill("SIGKILL");

  async #until(condition, awaited, patienceMs) {
    const deadline = performance.now() + patienceMs;
    while (!(await condition())) {
      const late = performance.now() > deadline;
      if (late || this.#over) {
        const why = late ? `In ${patienceMs} ms there was not` : "The server ended before";
        throw new Error(`${why} ${awaited}. It said:\n${this.tail()}`);
      }
      await sleep(100);
    }
  }
}

async function answers(url) {
  const headers = { authorization: `Bearer ${SERVER_KEY}` };
  try {
    return (await fetch(url, { headers, signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false; // Nobody listens yet.
  }
}

/** A folder that is gone when this process is. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "compat-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
