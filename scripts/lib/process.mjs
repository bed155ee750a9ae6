import { spawn } from "node:child_process";
import { basename } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ROOT } from "./paths.mjs";
import { voice } from "./voice.mjs";

/** A failure that its message explains fully; shown without a stack trace. */
export class Failure extends Error {}

/** @type {Set<import("node:child_process").ChildProcess>} */
const children = new Set();
let stopping = false;

/**
 * Starts a program in a process group of its own, so that ending it ends whatever it started.
 * @param {string} command
 * @param {string[]} args
 * @param {import("node:child_process").SpawnOptions & { guarded?: boolean }} [options] `guarded` ends it also when this
 *   process is killed and can end nothing any more
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
 * The shell's part in guarding a program: it leaves a guard in the program's group and becomes the program. The guard
 * reads from a pipe to this process, on which nothing is ever written. The pipe's end is this process's end, however that
 * came about, and then the guard kills the group. Signals that end the program in good order do not end the guard.
 * @param {number} pipe its descriptor, behind those of the program
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
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, quiet?: boolean, asks?: boolean, name?: string, timeoutMs?: number }} [options]
 *   `quiet` shows the output only in the message of a failure; `asks` lets the program read what is typed; `name` is
 *   what a failure calls it.
 * @returns {Promise<string>} its standard output, when quiet
 * @throws {Failure} when it cannot be started, does not exit with 0, or takes too long
 */
export function run(
  command,
  args,
  { env, cwd = ROOT, quiet = false, asks = false, name, timeoutMs } = {},
) {
  return new Promise((resolve, reject) => {
    const child = launch(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: [asks ? "inherit" : "ignore", quiet ? "pipe" : voice(), quiet ? "pipe" : "inherit"],
    });
    let output = "";
    let printed = "";
    child.stdout?.on("data", (text) => {
      output += text;
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text) => {
        printed += text;
      });
    }
    const timer = timeoutMs && setTimeout(() => signalGroup(child, "SIGKILL"), timeoutMs);
    const called = name ?? `${basename(command)} ${args[0] ?? ""}`.trim();
    child.once("error", (error) => {
      clearTimeout(timer);
      const why = error.code === "ENOENT" ? "it is not installed" : error.message;
      reject(new Failure(`${command} could not be started: ${why}.`));
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(output);
      else {
        const how = signal ? `was ended by ${signal}` : `failed with exit code ${code}`;
        reject(new Failure(`${printed ? `${printed.trimEnd()}\n` : ""}${called} ${how}.`));
      }
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

/** Whether what was launched is being ended; nothing can be launched any more. */
export function isStopping() {
  return stopping;
}

/** Ends everything that was launched: politely, and in the end for good. */
export async function stopAll(patienceMs = 3000) {
  stopping = true;
  for (const child of children) signalGroup(child, "SIGTERM");
  for (let waited = 0; children.size > 0 && waited < patienceMs; waited += 50) await sleep(50);
  killAll();
}

/** Ends everything that was launched at once. */
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
