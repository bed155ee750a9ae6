/** The machine: what it is, which core does what, and what a process has used of it. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, release, totalmem } from "node:os";
import { gzipSync } from "node:zlib";
import { BUILT } from "../../../scripts/lib/workerd.mjs";

const require = createRequire(import.meta.url);
const cores = allowedCores();

/** @returns {Record<string, string>} */
export function machine() {
  const [{ model }] = cpus();
  const apart = cores.length > 1 ? ", one of them for the contestants" : "";
  return {
    processor: model.replace(/\(R\)|\(TM\)| Processor| CPU/g, "").trim(),
    cores: `${cores.length} cores${apart}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `Linux ${release()}`,
    runtime: `workerd ${require("workerd").version}`,
    load: `Node ${process.versions.node}`,
  };
}

/** The deployment: all modules together, compressed. */
export function gzippedBytes() {
  const modules = Object.values(BUILT).map((path) => readFileSync(path));
  return gzipSync(Buffer.concat(modules), { level: 9 }).length;
}

/** One core for the contestants, the others for upstream and clients: each would show in the other's figures. */
export function keepLoadAway(pids) {
  if (cores.length < 2) return;
  for (const pid of pids) move(pid, cores.slice(-1));
  move(process.pid, cores.slice(0, -1));
}

/** All cores for everybody, and for whoever is started from now on. */
export function shareCores() {
  move(process.pid, cores);
}

/** CPU time of all threads so far, in microseconds. */
export function cpuMicroseconds(pid) {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const [onCpu] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
    return Number(onCpu);
  });
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1000;
}

/** Memory that is resident now, in bytes. */
export function residentBytes(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(status.match(/^VmRSS:\s*(\d+) kB$/m)[1]) * 1024;
}

function move(pid, to) {
  spawnSync("taskset", ["--all-tasks", "--cpu-list", "--pid", to.join(), `${pid}`]);
}

/** The numbers of the cores that this process may use, such as 0, 1, 4 for `0-1,4`. */
function allowedCores() {
  const status = readFileSync("/proc/self/status", "utf8");
  const [, list] = status.match(/^Cpus_allowed_list:\s*(\S+)$/m);
  return list.split(",").flatMap((range) => {
    const [first, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
