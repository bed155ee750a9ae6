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
  /** What wrangler has printed so far, to be shown if it cannot start. @type {string[] | undefined} */
  #held = [];

  /**
   * @param {number} port
   * @param {Record<string, string>} vars they override `.dev.vars` and wrangler.toml
   * @param {string} state the folder of kept conversations
   * @param {(line: string) => void} [printRecord] prints one of the worker's log lines
   */
  constructor(port, vars, state, printRecord = console.log) {
    this.#printRecord = printRecord;
    this.address = `http://127.0.0.1:${port}`;
    const args = ["dev", ...withoutHost(), "--ip", "127.0.0.1", "--port", `${port}`];
    const kept = ["--persist-to", state];
    const look = ["--inspector-port=0", "--show-interactive-dev-session=false", "--log-level=log"];
    const given = Object.entries(vars).flatMap(([name, value]) => ["--var", `${name}:${value}`]);
    const [program, programArgs, env] = wrangler([...args, ...kept, ...look, ...given]);
    // One pipe for both outputs keeps their lines in the order in which they were written.
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
      if (ended) {
        const output = this.#held?.join("\n");
        throw new Failure("wrangler dev ended before the worker answered.", { output });
      }
      await sleep(100);
    }
  }

  /** Prints the worker's log lines: first those that were held back, then each when it is written. */
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
