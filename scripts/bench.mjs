import { existsSync } from "node:fs";
import { build } from "./lib/build.mjs";
import { main } from "./lib/main.mjs";
import { modernNode } from "./lib/node-modules.mjs";
import { pathWith } from "./lib/paths.mjs";
import { Failure, run } from "./lib/process.mjs";

await main(async () => {
  if (!existsSync("/proc/self/schedstat")) {
    throw new Failure(
      "The benchmark reads what each process used from Linux's /proc; it is not here.",
    );
  }
  await build();
  const args = ["tests/bench/compare.mjs", ...process.argv.slice(2)];
  await run(modernNode(), args, { env: { PATH: pathWith() } });
});
