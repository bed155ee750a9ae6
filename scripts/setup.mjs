import { main, say } from "./lib/main.mjs";
import { ensureNodeModules } from "./lib/node-modules.mjs";
import { ensureRustComponents, ensureWasmToolchain } from "./lib/rust.mjs";
import { ensureBuildTools } from "./lib/tools.mjs";

await main(async () => {
  await ensureNodeModules();
  await ensureWasmToolchain();
  await ensureRustComponents();
  await ensureBuildTools();
  say("Set-up: everything is there");
});
