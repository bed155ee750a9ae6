import { build } from "./lib/build.mjs";
import { main } from "./lib/main.mjs";

await main(build);
