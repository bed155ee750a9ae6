/**
 * One core for whoever is measured, and the others for upstream and clients: when both take turns on the same cores,
 * what one of them does shows in the other's figures.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const cores = allowedCores();
const measured = cores.at(-1);
const others = cores.slice(0, -1);

/** Keeps the load away from the core of whoever is measured. @returns {boolean} whether that is possible here */
export function keepLoadAway() {
  return others.length > 0 && move(process.pid, others);
}

/** Gives a server the core that is its own. */
export function giveCore({ pid }) {
  if (others.length > 0) move(pid, [measured]);
}

/** Lets the load, and whoever is started from now on, use all cores. */
export function shareCores() {
  move(process.pid, cores);
}

function move(pid, to) {
  const { status } = spawnSync("taskset", [
    "--all-tasks",
    "--cpu-list",
    "--pid",
    to.join(),
    `${pid}`,
  ]);
  return status === 0;
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
