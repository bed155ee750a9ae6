/** The clients of README.md and docs/ as programs: taken out of their pages and run as they stand there. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after } from "node:test";
import { ROOT } from "../../scripts/lib/paths.mjs";
import { tryOutput } from "../../scripts/lib/process.mjs";
import { Missing, pythonEnvironment } from "../compat/python.mjs";
import { errorEnding } from "./errors.mjs";
import { within } from "./within.mjs";

const UUID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** The last ones have line ends of Unicode in them, which end no line of an event stream. */
export const CONTENTS = ["Hi", " there! 👋\n", "a\u2028b\u0085c"];

/** How the text of a program in this language is run. @type {(code: string) => string[]} */
export const inShell = (code) => ["sh", "-c", code];
export const inNode = (code) => [process.execPath, "--input-type=module", "--eval", code];

/** A client at work, which has these variables besides those of the test. The ids that the worker gave are `ID` in what it printed. */
export class Program {
  #child;
  #stdout = "";
  #stderr = "";

  constructor([program, ...args], env) {
    this.#child = spawn(program, args, {
      // The packages that a snippet imports are those of the checkout.
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    after(() => this.#child.kill());
    this.#child.stdout.setEncoding("utf8").on("data", (text) => {
      this.#stdout += text;
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text) => {
      this.#stderr += text;
    });
  }

  /** Resolves when this text has been printed. */
  async printed(text) {
    while (!this.#stdout.includes(text)) {
      await within(once(this.#child.stdout, "data"), () => `'${text}'; ${this.#stderr}`);
    }
  }

  /** @returns {Promise<Ended>} */
  async ended() {
    const [code] = await within(once(this.#child, "close"), "the end of the client");
    return { code, stdout: this.#stdout.replace(UUID, "ID"), stderr: this.#stderr };
  }
}
/** Starts a server on a port of its own, which ends with the test. @returns {Promise<string>} its address */
export async function listen(handler) {
  const server = createServer(handler);
  after(() => server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}`;
}

/** The one block of this language on a page. */
export function snippet(page, language) {
  const text = readFileSync(join(ROOT, page), "utf8");
  const blocks = [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))];
  assert.equal(blocks.length, 1, `${page} has one block of ${language}`);
  return blocks[0][1];
}

/** What a client that reads the frames says of an error. */
export function said(code) {
  const { error, detail } = errorEnding(code);
  return `\n${error}: ${detail}\n`;
}

/** Why a client that needs this program cannot be run here. @returns {Promise<string | false>} */
export async function unless(program) {
  return (await tryOutput(program, ["--version"])) === undefined && `${program} is not installed`;
}

/** Python with the packages that docs/api.md names. */
export async function python() {
  try {
    const requirements = ["httpx==0.28.1", "httpx-sse==0.4.3"];
    const { python } = await pythonEnvironment(requirements.join("-"), {
      requirements,
      takes: "about 10 seconds",
    });
    return { command: (code) => [python, "-c", code] };
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { skip: error.message };
  }
}
