/** The examples of docs/conversations.md: each is what the worker answers, but for ids and times. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { ROOT } from "../../scripts/lib/paths.mjs";
import { startWorker } from "../support/harness.mjs";
import { unless } from "../support/snippets.mjs";
import { delta, done, finish, startUpstream, usage } from "../support/upstream.mjs";

const PAGE = readFileSync(join(ROOT, "docs", "conversations.md"), "utf8");

/** A command and its whole answer, which ends before the next command or with the block. */
const EXAMPLE = /^\$ (curl .*)\n([{#][\s\S]*?)(?=^\$ |^```)/gm;

test("docs/conversations.md shows what the worker answers", {
  skip: await unless("curl"),
}, async () => {
  const upstream = await startUpstream();
  const app = await startWorker(
    { ANONYMOUS_OWNER: "true", OPENAI_MODEL: "gpt-6-luna", OPENAI_BASE_URL: upstream.url },
    { owners: true },
  );
  upstream.script((call) =>
    call.end(delta("Once"), delta(" upon a time"), finish("stop"), usage(9, 4), done),
  );
  const asked = { message: "Tell me a long story", conversation_id: "stories" };
  await (await app.chat(asked, { headers: { "idempotency-key": "first" } })).text();
  const examples = [...PAGE.matchAll(EXAMPLE)];
  assert.equal(examples.length, 6);
  for (const [, command, told] of examples) {
    const here = command.replace("http://127.0.0.1:8787", app.url).replace("curl", "curl -sS");
    const { stdout } = await promisify(execFile)("sh", ["-c", here]);
    assert.equal(shape(stdout), shape(told), command);
  }
  const conversation = await (await app.get("/conversations/stories")).text();
  assert.equal(await (await app.get("/export")).text(), `${conversation}\n`);
});

/** An answer as it would be on any day: JSON on one line, its ids numbered as they appear, without times. */
function shape(text) {
  const ids = [];
  const whole = text.startsWith("{") ? JSON.stringify(JSON.parse(text)) : text;
  return whole
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+\+00:00/g, "TIME")
    .replaceAll(/"(?:[0-9a-f-]{36}|[0-9a-f]{4}…)"/g, (id) => {
      if (!ids.includes(id)) ids.push(id);
      return `ID${ids.indexOf(id)}`;
    });
}
