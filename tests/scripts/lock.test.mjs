/** A lock that ends with its processes, however they end. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { lockFile } from "../../scripts/lib/lock.mjs";
import { modernNode } from "../../scripts/lib/node-modules.mjs";
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

/** What comes of locking a file where no program is on `PATH` but those in a folder. */
function lockedWith(programs, path) {
  const source = new URL("../../scripts/lib/lock.mjs", import.meta.url).href;
  const program = `import("${source}").then(({ lockFile }) => lockFile("${path}"))
    .then(({ holder }) => console.log(holder ?? "locked"), (error) => console.log(error.message))`;
  const env = { PATH: programs };
  return execFileSync(modernNode(), ["-e", program], { env, encoding: "utf8" }).trim();
}

test("where there is no flock, perl locks the file just as well", async (t) => {
  const perl = "/usr/bin/perl";
  if (!existsSync(perl)) return t.skip("this machine has no perl");
  const programs = join(folder, "programs");
  mkdirSync(programs);
  symlinkSync(perl, join(programs, "perl"));
  const path = join(folder, "five");
  assert.equal(lockedWith(programs, path), "locked");
  const { lock } = await lockFile(path);
  assert.match(lockedWith(programs, path), new RegExp(`^process ${process.pid} on `));
  closeSync(lock);
});

test("where there is neither, nothing is locked, and the programs are named", () => {
  const said = lockedWith(folder, join(folder, "six"));
  assert.equal(
    said,
    "Locking a file needs the program flock (of util-linux) or perl. Install one.",
  );
});
