/** A script of ours as a person or a service runs it: a process with an environment, its lines and its end. */
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { modernNode } from "../../scripts/lib/node-modules.mjs";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";
import { within } from "./within.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

class Script {
  /** Lines so far on standard output. @type {string[]} */
  output = [];
  /** Lines so far on standard error, which are for people. @type {string[]} */
  words = [];
  #child;
  #watchers = new Set();

  constructor(path, args, env, { node = modernNode(), ...user }) {
    this.#child = spawn(node, [path, ...args], {
      ...user,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#hear(this.#child.stdout, this.output);
    this.#hear(this.#child.stderr, this.words);
    /** The exit code. @type {Promise<number>} */
    this.ended = new Promise((resolve) => this.#child.once("close", resolve));
  }

  get pid() {
    return this.#child.pid;
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** The exit code, once everything was said. */
  end() {
    return within(this.ended, () => `the end of the script, which said:\n${this.#said()}`);
  }

  /** The first line that is like this, now or when it comes. @param {RegExp} pattern */
  async line(pattern) {
    const known = [...this.output, ...this.words].find((line) => pattern.test(line));
    if (known !== undefined) return known;
    const { promise, resolve } = Promise.withResolvers();
    const watcher = (line) => pattern.test(line) && resolve(line);
    this.#watchers.add(watcher);
    try {
      return await within(promise, () => `a line like ${pattern}; lines seen:\n${this.#said()}`);
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  #hear(stream, lines) {
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      for (const watcher of this.#watchers) watcher(line);
    });
  }

  #said() {
    return [...this.output, ...this.words].join("\n");
  }
}

/**
 * Starts a script, which ends with the test or the file that started it.
 *
 * @param {string} name Its file in `scripts/`.
 * @param {{ args?: string[], env?: Record<string, string>, folder?: string, node?: string, uid?: number, gid?: number }} [options]
 *   `env` is all of its environment but for `PATH` and `HOME`; `folder` the checkout that it belongs to, this one unless
 *   told; `node`, `uid` and `gid` are what runs it and as whom, if not as this test.
 */
export function startScript(name, { args = [], env = {}, folder = ROOT, ...how } = {}) {
  const script = new Script(join(folder, "scripts", name), args, env, how);
  after(() => {
    // Asked once it goes in good order, which may take its time; asked twice it goes at once.
    script.signal("SIGTERM");
    script.signal("SIGINT");
    return script.ended;
  });
  return script;
}

/**
 * The environment in which a script calls a wrangler that answers like this.
 *
 * @param {Record<string, { out?: string, error?: string, code?: number }>} answers By the beginning of its arguments.
 * @returns {{ env: Record<string, string>, calls: () => string[] }} And the arguments of each call so far.
 */
export function fakeWrangler(answers) {
  const folder = makeTemporary("wrangler-");
  const path = join(folder, "calls");
  writeFileSync(path, "");
  const env = {
    WRANGLER_BIN: fileURLToPath(new URL("fake-wrangler.mjs", import.meta.url)),
    FAKE_WRANGLER: JSON.stringify(answers),
    FAKE_WRANGLER_CALLS: path,
  };
  return { env, calls: () => readFileSync(path, "utf8").split("\n").slice(0, -1) };
}

/** A port of this machine on which nobody listens. */
export async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
