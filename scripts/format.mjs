import { biome } from "./lib/biome.mjs";
import { main } from "./lib/main.mjs";
import { ensureNodeModules } from "./lib/node-modules.mjs";
import { run } from "./lib/process.mjs";

await main(async () => {
  await ensureNodeModules();
  await biome(["check", "--write"]);
  await run("cargo", ["fmt"]);
});
