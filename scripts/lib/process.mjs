import { spawn } from "node:child_process";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "./paths.mjs";
import { voice } from "./voice.mjs";

/** A failure that its message explains fully; shown without a stack trace. */
export class Failure extends Error {
  /**
   * @param {string} message
   * @param {{ output?: string, timedOut?: boolean, cause?: unknown }} [options] what the failed program printed, and
   *   whether it was killed because it took too long
   */
  constructor(message, { output = "", timedOut = false, cause } = {}) {
    super(message, { cause });
    this.output = output;
    this.timedOut = timedOut;
  }
}

/** @type {Set<import("node:child_process").ChildProcess>} */
const children = new Set();
let stopping = false;

/**
 * Starts a program in a process group of its own, so that ending it ends whatever it started.
 * @param {string} command
 * @param {string[]} args
 * @param {import("node:child_process").SpawnOptions & { guarded?: boolean }} [options] `guarded` ends the program even
 *   when this process is killed and cannot clean up
 */
export function launch(command, args, { guarded = false, ...options } = {}) {
  if (stopping) throw new Failure("Stopped.");
  const stdio = options.stdio ?? ["ignore", "inherit", "inherit"];
  const [program, programArgs] = guarded
    ? ["/bin/sh", ["-c", guardBehind(stdio.length), "sh", command, ...args]]
    : [command, args];
  const child = spawn(program, programArgs, {
    cwd: ROOT,
    ...options,
    stdio: guarded ? [...stdio, "pipe"] : stdio,
    detached: true,
  });
  children.add(child);
  child.once("error", () => children.delete(child));
  child.once("exit", () => {
    signalGroup(child, "SIGKILL");
    children.delete(child);
  });
  return child;
}

/**
 * A shell script that starts a guard in the program's process group and then becomes the program. The guard reads from
 * a pipe to this process, on which nothing is ever written. The pipe closes when this process ends, however it ends,
 * and the guard then kills the group. The guard ignores the signals by which the program is told to stop.
 * @param {number} pipe its descriptor, the first one that the program does not use
 */
function guardBehind(pipe) {
  const others = Array.from({ length: pipe - 3 }, (_, index) => `${index + 3}>&-`).join(" ");
  const guard = `trap '' HUP INT QUIT TERM; exec >/dev/null 2>&1 ${others}; read -r line <&${pipe}; kill -s KILL -- "-$$"`;
  return `( ${guard} ) & exec "$@" ${pipe}<&-`;
}

/**
 * Runs a program to its end.
 * @param {string} command
 * @param {string[]} args
 * @param {object} [options]
 * @param {NodeJS.ProcessEnv} [options.env] added to this process's own
 * @param {string} [options.cwd]
 * @param {boolean} [options.quiet] shows the program's output only when it fails
 * @param {boolean} [options.asks] lets the program read what is typed
 * @param {string} [options.name] what a failure calls the program
 * @param {number} [options.timeoutMs] when to kill it
 * @param {RegExp} [options.untilSign] output that lifts the time limit; needs `quiet`
 * @returns {Promise<string>} its standard output, when quiet
 * @throws {Failure} when it cannot be started, does not exit with 0, or takes too long
 */
export function run(
  command,
  args,
  { env, cwd = ROOT, quiet = false, asks = false, name, timeoutMs, untilSign } = {},
) {
  return new Promise((resolve, reject) => {
    const child = launch(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: [asks ? "inherit" : "ignore", quiet ? "pipe" : voice(), quiet ? "pipe" : "inherit"],
    });
    let stdout = "";
    let output = "";
    let timedOut = false;
    const kill = () => {
      timedOut = true;
      signalGroup(child, "SIGKILL");
    };
    const timer = timeoutMs && setTimeout(kill, timeoutMs);
    child.stdout?.on("data", (text) => {
      stdout += text;
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        output += text;
        if (untilSign?.test(output)) clearTimeout(timer);
      });
    }
    child.once("error", (error) => {
      clearTimeout(timer);
      const why = error.code === "ENOENT" ? "it is not installed" : error.message;
      reject(new Failure(`${command} could not be started: ${why}.`));
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return resolve(stdout);
      const called = name ?? `${basename(command)} ${args[0] ?? ""}`.trim();
      const how = timedOut
        ? `took more than ${timeoutMs / 1000} s`
        : signal
          ? `was ended by ${signal}`
          : `failed with exit code ${code}`;
      reject(new Failure(`${called} ${how}.`, { output, timedOut }));
    });
  });
}

/**
 * What a program prints, trimmed; `undefined` when it fails or is not installed.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv }} [options]
 */
export async function tryOutput(command, args, options = {}) {
  try {
    return (await run(command, args, { ...options, quiet: true })).trim();
  } catch {
    return undefined;
  }
}

/** Whether the script is stopping: launched programs are being ended, and no more can be launched. */
export function isStopping() {
  return stopping;
}

/** Ends every launched program, and kills those that are still running when the patience is over. */
export async function stopAll(patienceMs = 3000) {
  stopping = true;
  for (const child of children) signalGroup(child, "SIGTERM");
  for (let waited = 0; children.size > 0 && waited < patienceMs; waited += 50) await sleep(50);
  killAll();
}

/** Kills every launched program. */
export function killAll() {
  stopping = true;
  for (const child of children) signalGroup(child, "SIGKILL");
}

/** @param {import("node:child_process").ChildProcess} child */
function signalGroup(child, signal) {
  try {
    if (child.pid) process.kill(-child.pid, signal);
  } catch {
    // Nobody is left in the group.
  }
}
