import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { withoutHost } from "./dev-config.mjs";
import { Failure, launch } from "./process.mjs";
import { wrangler } from "./wrangler.mjs";

/** What wrangler prints besides the worker's own log lines. */
const NOISE = /^(\[wrangler:info\]|\[custom build\]\s*$|🪵|\s*$)/u;

/** One of the worker's log lines; wrangler frames warnings and errors. */
const RECORD = /\{"timestamp":.*\}/;

/** One `wrangler dev` on this machine. */
export class DevServer {
  #child;
  #printRecord;
  /** @type {string[] | undefined} what was printed so far; all of it is for a failed start */
  #held = [];

  /**
   * @param {number} port
   * @param {Record<string, string>} vars these go before `.dev.vars` and wrangler.toml
   * @param {(line: string) => void} [printRecord] prints one of the worker's log lines
   */
  constructor(port, vars, printRecord = console.log) {
    this.#printRecord = printRecord;
    this.address = `http://127.0.0.1:${port}`;
    const args = ["dev", ...withoutHost(), "--ip", "127.0.0.1", "--port", `${port}`];
    const look = ["--inspector-port=0", "--show-interactive-dev-session=false", "--log-level=log"];
    const given = Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
    const [program, programArgs, env] = wrangler([...args, ...look, ...given]);
    // Both outputs go through one pipe: nobody can tell in which order the lines of two were written.
    this.#child = launch("/bin/sh", ["-c", 'exec "$@" 2>&1', "sh", program, ...programArgs], {
      env: { ...process.env, ...env },
      guarded: true,
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.ended = new Promise((resolve) => this.#child.once("close", resolve));
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#print(line));
  }

  /**
   * Waits until the worker answers.
   * @throws {Failure} when wrangler ends first
   */
  async ready() {
    let ended = false;
    this.ended.then(() => {
      ended = true;
    });
    while (!(await this.#answers())) {
      if (ended)
        throw new Failure(
          `${this.#held?.join("\n")}\nwrangler dev ended before the worker answered.`,
        );
      await sleep(100);
    }
  }

  /** What the worker finds wrong with its configuration. @returns {Promise<string[]>} its words, a variable each */
  async problems() {
    const answer = await fetch(`${this.address}/health/ready`);
    const { problems = [] } = await answer.json();
    return problems;
  }

  /** Prints the worker's log lines: those so far, and from now on every one when it comes. */
  showLogs() {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const line of held.filter((line) => RECORD.test(line))) this.#print(line);
  }

  async #answers() {
    try {
      const answer = await fetch(`${this.address}/health`, { signal: AbortSignal.timeout(2000) });
      return answer.ok;
    } catch {
      return false;
    }
  }

  #print(line) {
    const record = line.match(RECORD)?.[0];
    if (this.#held) this.#held.push(line);
    else if (record) this.#printRecord(record);
    else if (!NOISE.test(line)) console.log(line);
  }
}
