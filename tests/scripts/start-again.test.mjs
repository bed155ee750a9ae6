/** `npm start` twice in one checkout, and one after the other. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checkout } from "../support/checkout.mjs";
import { freePort, startScript } from "../support/script.mjs";
import { unwrapped } from "../support/words.mjs";

async function start(folder) {
  const port = await freePort();
  return startScript("start.mjs", { folder, env: { PORT: `${port}` } });
}

test("a second one is ready too, and says that it forgets its conversations", async () => {
  const folder = checkout();
  const first = await start(folder);
  await first.line(/^The assistant is ready/);
  const second = await start(folder);
  await second.line(/^The assistant is ready/);
  const said = unwrapped(second.output.join("\n"));
  const note = `Note: another 'npm start' keeps the conversations of this checkout (process ${first.pid} on `;
  assert.ok(said.includes(note), said);
  assert.ok(said.includes("). Those of this one are forgotten when it ends."), said);
  assert.ok(!first.output.join("\n").includes("Note:"));
});

test("the next one finds the folder of the one that was killed", async () => {
  const folder = checkout();
  const first = await start(folder);
  await first.line(/^The assistant is ready/);
  assert.ok(existsSync(join(folder, ".wrangler", "state", "lock")));
  first.signal("SIGKILL");
  await first.ended;
  const second = await start(folder);
  await second.line(/^The assistant is ready/);
  assert.ok(!second.output.join("\n").includes("another 'npm start'"));
  assert.ok(readdirSync(join(folder, ".wrangler", "state")).includes("v3"));
});
