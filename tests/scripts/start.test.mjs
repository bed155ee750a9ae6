/** What a person sees of `npm start`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { freePort, startScript } from "../support/script.mjs";
import { assertFits } from "../support/words.mjs";

const STARTED = /application_started/;

test("it prints the addresses and a first command, and its log lines are for people", async () => {
  const { script, port } = await start();
  const line = await script.line(STARTED);
  assert.match(line, /^[\d:.]{12} {2}INFO {3}- {9}application_started {4}\S+, \S+, log level \w+$/);
  const isLog = (each) => /^[\d:.]{12} {2}/.test(each);
  assertFits(script.output.filter((each) => !isLog(each)));
  const said = script.output.join("\n");
  const address = `http://127.0.0.1:${port}`;
  assert.match(said, /^The assistant is ready, answered by .+:$/m);
  assert.ok(said.includes(`\n  ${address}/  `));
  assert.ok(said.includes(`\n  ${address}/docs  `));
  const headers = "    -H 'Content-Type: application/json' -d '{\"message\":\"Hello\"}'";
  assert.ok(said.includes(`\n  curl -N ${address}/chat \\\n${headers}\n`));
  assert.ok(script.output.indexOf(line) > script.output.findIndex((each) => /^Ctrl-C/.test(each)));
});

test("LOG_FORMAT=json prints the log lines as the worker writes them", async () => {
  const { script } = await start({ LOG_FORMAT: "json" });
  assert.equal(JSON.parse(await script.line(STARTED)).level, "INFO");
});

async function start(env) {
  const port = await freePort();
  return { port, script: startScript("start.mjs", { env: { PORT: `${port}`, ...env } }) };
}
