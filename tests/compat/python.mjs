/** Packages of PyPI, installed once per version and machine, outside the checkout. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { say } from "../../scripts/lib/main.mjs";
import { CACHE } from "../../scripts/lib/paths.mjs";
import { run, tryOutput } from "../../scripts/lib/process.mjs";

/** The longest that an installation may take; compiling a model server takes minutes. */
const INSTALL_MS = 1_800_000;

/** Tells that this machine has not what an upstream needs. */
export class Missing extends Error {}

/**
 * @typedef {object} Environment
 * @property {string} python The interpreter that sees the packages.
 * @property {string} packages The folder that they are in.
 */

/**
 * A virtual environment with these packages.
 *
 * @param {string} name names the packages and their versions
 * @param {{ requirements: string[], takes: string, dependencies?: boolean }} content
 *   `takes` says how long the installation takes; `dependencies: false` leaves out what the packages ask for.
 * @returns {Promise<Environment>}
 * @throws {Missing} when python3 or one of the packages is not to be had
 */
export async function pythonEnvironment(name, { requirements, takes, dependencies = true }) {
  const version = await tryOutput("python3", ["-c", "import sys, ensurepip; print(sys.version)"]);
  if (version === undefined) {
    throw new Missing("python3 with its venv module is not installed");
  }
  const folder = join(CACHE, "compat", name);
  const python = join(folder, "bin", "python");
  const stamp = join(folder, ".installed-from");
  const wanted = [version, ...requirements].join("\n");
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
    say(
      `Set-up: installing ${requirements.join(" and ")} from PyPI (${takes}, once on this machine)`,
    );
    rmSync(folder, { recursive: true, force: true });
    const flags = ["--quiet", "--no-input", "--disable-pip-version-check"];
    const alone = dependencies ? [] : ["--no-deps"];
    try {
      await run("python3", ["-m", "venv", folder], { quiet: true });
      await run(python, ["-m", "pip", "install", ...flags, ...alone, ...requirements], {
        quiet: true,
        timeoutMs: INSTALL_MS,
      });
    } catch (error) {
      throw new Missing(`${requirements[0]} could not be installed: ${reason(error.message)}`);
    }
    writeFileSync(stamp, wanted);
  }
  const where = "import sysconfig; print(sysconfig.get_path('purelib'))";
  return { python, packages: (await run(python, ["-c", where], { quiet: true })).trim() };
}

/** The line of pip's many that says what is wrong. */
function reason(message) {
  const lines = message.trim().split("\n");
  return (lines.findLast((line) => /^error:/i.test(line)) ?? lines.at(-1)).slice(0, 300);
}
