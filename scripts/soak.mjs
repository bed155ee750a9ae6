import { build } from "./lib/build.mjs";
import { main } from "./lib/main.mjs";
import { modernNode } from "./lib/node-modules.mjs";
import { pathWith } from "./lib/paths.mjs";
import { run } from "./lib/process.mjs";

await main(async () => {
  await build();
  const args = ["tests/bench/soak.mjs", ...process.argv.slice(2)];
  await run(modernNode(), args, { env: { PATH: pathWith() } });
});
