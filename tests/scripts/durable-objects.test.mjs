/** Durable Objects on the bare runtime: where their data is, and what it survives. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ASSISTANT, OWNERS } from "../../scripts/lib/assistant.mjs";
import { wranglerConfig } from "../../scripts/lib/wrangler-toml.mjs";
import { startKept } from "../support/kept.mjs";

const folder = mkdtempSync(join(tmpdir(), "objects-"));
after(() => rmSync(folder, { recursive: true }));

/** An owner that only counts how often it was asked. */
const COUNTING = `
import { DurableObject } from "cloudflare:workers";

export class Owner extends DurableObject {
  fetch() {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS asked (number INTEGER PRIMARY KEY)");
    sql.exec("INSERT INTO asked DEFAULT VALUES");
    return new Response(sql.exec("SELECT count(*) AS count FROM asked").one().count);
  }
}

export default {
  fetch: (request, env) => env.OWNERS.getByName("me").fetch(request),
};
`;

const module = join(folder, "counting.mjs");
writeFileSync(module, COUNTING);
const worker = { ...ASSISTANT, modules: { "counting.mjs": module } };

const ask = async (origin) => Number(await (await fetch(origin)).text());

test("what an object has kept is there after its process was killed", async () => {
  const server = await startKept({}, { worker });
  assert.equal(await ask(server.url), 1);
  assert.equal(await ask(server.url), 2);
  await server.kill();
  await server.start();
  assert.equal(await ask(server.url), 3);
  assert.deepEqual(server.words, [], "the runtime has nothing to complain of");
});

test("its folder is named by a key that never changes", async () => {
  const kept = mkdtempSync(join(folder, "kept-"));
  await ask((await startKept({}, { worker, folder: kept })).url);
  assert.deepEqual(readdirSync(kept), ["personal-ai-assistant-Owner"]);
  const files = readdirSync(join(kept, "personal-ai-assistant-Owner"));
  assert.ok(
    files.some((name) => /^[\da-f]{64}\.sqlite$/.test(name)),
    files.join(),
  );
});

test("the key is the one under which wrangler dev keeps the same objects", () => {
  const { name, durable_objects } = wranglerConfig();
  for (const { name: binding, class_name } of durable_objects.bindings) {
    assert.deepEqual(OWNERS[binding], {
      className: class_name,
      uniqueKey: `${name}-${class_name}`,
    });
  }
  assert.deepEqual(
    Object.keys(OWNERS),
    durable_objects.bindings.map(({ name }) => name),
  );
});
