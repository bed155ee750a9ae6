/** What was measured, and on what. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { gzipSync } from "node:zlib";
import { BUILT } from "../../../scripts/lib/workerd.mjs";

const require = createRequire(import.meta.url);

/** @returns {Record<string, string>} */
export function machine() {
  const [{ model }] = cpus();
  return {
    processor: model.replace(/\(R\)|\(TM\)| Processor| CPU/g, "").trim(),
    cores: `${availableParallelism()} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `Linux ${release()}`,
    runtime: `workerd ${require("workerd").version}`,
    load: `Node ${process.versions.node}`,
  };
}

/** All modules together, as they are deployed. */
export function gzippedBytes() {
  const modules = Object.values(BUILT).map((path) => readFileSync(path));
  return gzipSync(Buffer.concat(modules), { level: 9 }).length;
}
