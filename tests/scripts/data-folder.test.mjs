/** `npm run serve`: the folder in which conversations are kept. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { modernNode } from "../../scripts/lib/node-modules.mjs";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";
import { checkout } from "../support/checkout.mjs";
import { freePort, startScript } from "../support/script.mjs";
import { READY, serve as serveFor, usualEnv } from "../support/serve.mjs";
import { smallDisk } from "../support/small-disk.mjs";
import { startUpstream } from "../support/upstream.mjs";
import { assertFits, unwrapped } from "../support/words.mjs";

const upstream = await startUpstream(undefined, { turnsQuestionsAway: true });
const serve = (env) => serveFor(upstream, env);

const NOBODY = 65_534;

/** Whom `saidToNobody` asks for: root may write everything, so another user has to try. */
const USER = process.getuid() === 0 ? NOBODY : process.getuid();

/** What the folder of a server has in it, before any conversation is kept. */
const OWNERS = "personal-ai-assistant-Owner";
const HELD = ["lock", OWNERS];

const temporary = () => makeTemporary("data-");

const modeOf = (path) => (statSync(path).mode & 0o777).toString(8);

/** Starts a server that cannot use its folder, and returns what it says before it ends. */
async function refusal(DATA_DIR, env) {
  const port = await freePort();
  const script = startScript("serve.mjs", {
    env: { ...usualEnv(upstream), PORT: `${port}`, DATA_DIR, ...env },
  });
  assert.equal(await script.end(), 1);
  assertFits(script.words.filter((line) => !line.includes(DATA_DIR)));
  assert.deepEqual(script.output, []);
  return unwrapped(script.words.join("\n"));
}

test("the folder is created for the server's user alone", async () => {
  const folder = join(temporary(), "not", "there yet");
  const { script } = await serve({ DATA_DIR: folder });
  assert.ok(unwrapped(script.words.join("\n")).includes(`Conversations are kept in ${folder}`));
  assert.equal(modeOf(folder), "700");
  assert.equal(modeOf(join(folder, "lock")), "600");
  assert.deepEqual(readdirSync(folder), HELD, "nothing else is left there");
  assert.equal(modeOf(join(folder, OWNERS)), "700");
});

test("by default it is data/ in the checkout, from wherever the server is started", async () => {
  const folder = checkout();
  const env = { ...usualEnv(upstream), PORT: `${await freePort()}`, DATA_DIR: undefined };
  const script = startScript("serve.mjs", { folder, env });
  await script.line(READY);
  assert.deepEqual(readdirSync(join(folder, "data")), HELD);
});

test("DATA_DIR=none keeps nothing", async () => {
  const folder = checkout();
  const env = { ...usualEnv(upstream), PORT: `${await freePort()}`, DATA_DIR: "none" };
  const script = startScript("serve.mjs", { folder, env });
  await script.line(READY);
  await script.line(/^No conversations are kept\.$/);
  assert.ok(!existsSync(join(folder, "data")) && !existsSync(join(folder, "none")));
});

test("a second server in the same folder is refused, and hears who has it", async () => {
  const folder = temporary();
  const { script } = await serve({ DATA_DIR: folder });
  const said = await refusal(folder);
  assert.match(said, /^Another server keeps its conversations in /m);
  assert.ok(said.includes(`${folder}: process ${script.pid} on `), said);
  assert.match(said, /choose another folder: DATA_DIR=… npm run serve$/m);
});

test("a server whose runtime was restarted still has its folder for itself", async () => {
  const folder = temporary();
  const { script, runtime } = await serve({ DATA_DIR: folder });
  const { pid } = runtime();
  process.kill(pid, "SIGKILL");
  await script.line(/"event":"runtime_ended"/);
  const said = await refusal(folder);
  assert.ok(said.includes(`process ${script.pid} on `), said);
  assert.notEqual(runtime()?.pid, pid);
});

test("a server that was killed leaves its folder free", async () => {
  const folder = temporary();
  const { script } = await serve({ DATA_DIR: folder });
  script.signal("SIGKILL");
  await script.ended;
  await serve({ DATA_DIR: folder });
});

test("a configuration that cannot work creates no folder", async () => {
  const folder = join(temporary(), "data");
  assert.match(await refusal(folder, { MAX_TOKENS: "many" }), /^ {2}MAX_TOKENS must /m);
  assert.ok(!existsSync(folder));
});

test("a folder that is a file is named", async () => {
  const file = join(temporary(), "file");
  writeFileSync(file, "");
  const said = await refusal(file);
  assert.ok(said.includes(`${file} is not a folder (EEXIST). Conversations are kept there.`), said);
  assert.match(said, /with DATA_DIR=none, no conversations are kept\.$/m);
});

test("a folder that cannot be created is named", async () => {
  const said = await refusal("/sys/conversations");
  assert.match(
    said,
    /\/sys\/conversations cannot be written (by user \d+ )?\(E(PERM|ACCES|ROFS)\)\./,
  );
});

test("a disk without room is named", async (t) => {
  const disk = smallDisk(256 * 1024);
  if (disk === undefined) return t.skip("this machine lets no test mount a disk");
  const said = await refusal(disk);
  assert.ok(said.includes(`${disk} has no room left (ENOSPC).`), said);
  assert.deepEqual(readdirSync(disk), ["lock"], "nothing else is left there");
});

/** What another user than root hears of a folder; nothing when it can be used. */
function saidToNobody(folder) {
  const isRoot = process.getuid() === 0;
  if (isRoot) chownSync(folder, NOBODY, NOBODY);
  const source = fileURLToPath(new URL("../../scripts/serve/data-folder.mjs", import.meta.url));
  const program = `import(${JSON.stringify(source)}).then(({ openDataFolder }) => openDataFolder()).catch((error) => console.log(error.message))`;
  return execFileSync(modernNode(), ["-e", program], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, DATA_DIR: folder },
    ...(isRoot && { uid: NOBODY, gid: NOBODY }),
  });
}

/** A folder in which a server has been, and the folder of its databases. */
function usedFolder() {
  const folder = temporary();
  const objects = join(folder, OWNERS);
  mkdirSync(objects);
  if (process.getuid() === 0) chownSync(objects, NOBODY, NOBODY);
  return { folder, objects };
}

test("a database that another user has written is named", () => {
  for (const name of ["some.sqlite", "some.sqlite-wal", "metadata.sqlite"]) {
    const { folder, objects } = usedFolder();
    const database = join(objects, name);
    writeFileSync(database, "");
    chmodSync(database, 0o400);
    const said = saidToNobody(folder);
    assert.ok(said.includes(`${database} cannot be written by user ${USER} (EACCES).`), said);
  }
});

test("databases that another user keeps from being seen are named", () => {
  const { folder, objects } = usedFolder();
  chmodSync(objects, 0);
  const said = saidToNobody(folder);
  assert.ok(said.includes(`${objects} cannot be written by user ${USER} (EACCES).`), said);
});

test("what is no database does no harm: the lost+found of a new disk, links that lead nowhere, other files", () => {
  const { folder, objects } = usedFolder();
  for (const place of [folder, objects]) {
    mkdirSync(join(place, "lost+found"), { mode: 0o700 });
    writeFileSync(join(place, "notes.txt"), "", { mode: 0o400 });
    symlinkSync("/nowhere", join(place, "link"));
  }
  chmodSync(join(folder, "lost+found"), 0);
  chmodSync(join(objects, "lost+found"), 0);
  assert.equal(saidToNobody(folder), "");
});

test("links that lead nowhere are named where databases should be", async () => {
  const { folder, objects } = usedFolder();
  const database = join(objects, "some.sqlite");
  symlinkSync("/nowhere", database);
  assert.ok((await refusal(folder)).includes(`${database} is a link that leads nowhere (ENOENT).`));
  rmSync(objects, { recursive: true });
  symlinkSync("/nowhere", objects);
  assert.ok((await refusal(folder)).includes(`${objects} is a link that leads nowhere (ENOENT).`));
  const link = join(temporary(), "data");
  symlinkSync("/nowhere", link);
  assert.ok((await refusal(link)).includes(`${link} is a link that leads nowhere (ENOENT).`));
});
