import { main, say } from "./lib/main.mjs";
import { ensureNodeModules } from "./lib/node-modules.mjs";
import { ensureCrates, ensureRustComponents, ensureWasmToolchain } from "./lib/rust.mjs";
import { ensureBuildTools } from "./lib/tools.mjs";

await main(async () => {
  await ensureNodeModules();
  await ensureWasmToolchain();
  await ensureRustComponents();
  await ensureBuildTools();
  await ensureCrates();
  say("Set-up: complete");
});
