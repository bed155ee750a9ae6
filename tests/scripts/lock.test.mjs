/** A lock that ends with its processes, however they end. */
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { lockFile } from "../../scripts/lib/lock.mjs";
import { Workerd } from "../../scripts/lib/workerd.mjs";
import { within } from "../support/within.mjs";

const folder = mkdtempSync(join(tmpdir(), "lock-"));
after(() => rmSync(folder, { recursive: true }));

const module = join(folder, "worker.mjs");
writeFileSync(module, "export default { fetch: () => new Response() }");

test("a file is locked for one at a time, and says who has it", async () => {
  const path = join(folder, "one");
  const { lock } = await lockFile(path);
  const { holder } = await lockFile(path);
  assert.match(holder, new RegExp(`^process ${process.pid} on \\S+$`));
  closeSync(lock);
  const again = await lockFile(path);
  assert.equal(typeof again.lock, "number");
});

test("whoever comes while a lock is about to end gets it", async () => {
  const path = join(folder, "two");
  const { lock } = await lockFile(path);
  const waiting = lockFile(path);
  closeSync(lock);
  assert.equal(typeof (await waiting).lock, "number");
});

test("what is left of a process that was killed locks nothing", async () => {
  const path = join(folder, "three");
  // Process 1 is always there.
  writeFileSync(
    path,
    "process 1 on another-machine, and a name that is longer than the next one's\n",
  );
  assert.equal(typeof (await lockFile(path)).lock, "number");
  assert.match(readFileSync(path, "utf8"), new RegExp(`^process ${process.pid} on \\S+\n$`));
});

test("a runtime holds the lock for as long as it runs, even without the server that started it", async () => {
  const path = join(folder, "four");
  const { lock } = await lockFile(path);
  const runtime = new Workerd({ main: { modules: { "worker.mjs": module } } }, { lock });
  after(() => runtime.stop());
  await within(runtime.listening(), "the runtime to listen");
  closeSync(lock);
  assert.ok("holder" in (await lockFile(path)), "the runtime has it");
  process.kill(runtime.pid, "SIGKILL");
  await within(runtime.ended, "the end of the runtime");
  assert.equal(typeof (await lockFile(path)).lock, "number");
});
