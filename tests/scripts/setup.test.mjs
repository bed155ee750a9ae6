/** Set-up without a network, and set-up that is interrupted. */
import assert from "node:assert/strict";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, mock, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { aptInstall } from "../../scripts/lib/debian.mjs";
import { connectionFailure, download } from "../../scripts/lib/network.mjs";
import { checkout } from "../support/checkout.mjs";
import { freePort, startScript } from "../support/script.mjs";
import { processes } from "../support/serve.mjs";
import { assertFits, unwrapped } from "../support/words.mjs";

/** Puts programs before the real ones on `PATH`. @param {Record<string, string>} programs shell scripts by name */
function fakePrograms(programs) {
  const folder = mkdtempSync(join(tmpdir(), "programs-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, script] of Object.entries(programs)) {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\ncd '${folder}'\necho "$0 $*" >> calls\n${script}\n`);
    chmodSync(path, 0o755);
  }
  const calls = () => {
    const text = existsSync(join(folder, "calls"))
      ? readFileSync(join(folder, "calls"), "utf8")
      : "";
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => line.replace(`${folder}/`, ""));
  };
  return { folder, calls, path: [folder, process.env.PATH].join(delimiter) };
}

/** Waits until a fake program has noted in its file that it has begun. */
async function begun(run) {
  for (let turn = 0; turn < 500 && !run.calls().includes("begun"); turn++) await sleep(20);
  assert.ok(run.calls().includes("begun"), "the work should have begun within ten seconds");
}

/** A checkout as it was cloned: nothing is installed or built. */
function clone() {
  const folder = checkout();
  for (const name of ["node_modules", "target", "build"]) {
    rmSync(join(folder, name), { recursive: true, force: true });
  }
  return folder;
}

/** Starts a script in a new clone, or in this one, on a machine that has these programs. */
async function start(programs, { name = "setup.mjs", folder = clone() } = {}) {
  const { path, ...fake } = fakePrograms(programs);
  const env = { PATH: path, PORT: `${await freePort()}`, XDG_CACHE_HOME: fake.folder };
  return { ...fake, checkout: folder, script: startScript(name, { folder, env }) };
}

/** Its exit code and what it said, which has to fit a terminal. */
async function end({ script }) {
  const code = await script.end();
  const lines = [...script.output, ...script.words];
  assertFits(lines);
  return { code, said: unwrapped(lines.join("\n")) };
}

const NO_REGISTRY = `
  echo 'npm notice PING https://registry.example.test/' >&2
  echo 'npm error code EAI_AGAIN' >&2
  exit 1`;
const NO_RUST = { cargo: "exit 1" };
const AFTER_NPM = /Rust is not installed/;

test("an unreachable npm registry is named, with what to do, and npm does not keep trying", async () => {
  const npm = `[ "$1" = ping ] && { ${NO_REGISTRY}\n}\nexit 1`;
  const run = await start({ npm });
  const { code, said } = await end(run);
  assert.equal(code, 1);
  assert.match(said, /^registry\.example\.test cannot be reached \(EAI_AGAIN\), and set-up has /m);
  assert.match(said, /HTTPS_PROXY.* run the same command again/);
  const [ping, ci] = run.calls();
  assert.match(ping, /^npm ping/);
  assert.match(ci, /^npm ci .*--offline$/);
});

test("with an unreachable registry, npm's cache is enough if it has everything", async () => {
  const folder = clone();
  const npm = `[ "$1" = ping ] && { ${NO_REGISTRY}\n}\nmkdir '${folder}/node_modules'`;
  const run = await start({ npm, ...NO_RUST }, { folder });
  assert.match((await end(run)).said, AFTER_NPM);
});

test("a registry that does not know npm's ping counts as reachable", async () => {
  const folder = clone();
  const npm = `
    [ "$1" = ping ] && { echo 'npm error code E404' >&2; exit 1; }
    mkdir '${folder}/node_modules'`;
  const run = await start({ npm, ...NO_RUST }, { folder });
  assert.match((await end(run)).said, AFTER_NPM);
  assert.doesNotMatch(run.calls()[1], /--offline/);
});

/** A machine on which everything but crates.io can be reached. */
const NO_CRATES_IO = {
  npm: "true",
  rustc: 'mkdir -p lib && touch lib/libstd-1.rlib && echo "$PWD/lib"',
  cargo: `
    [ "$1" = install ] || exec echo cargo
    echo '    Updating crates.io index'
    echo 'warning: spurious network error: [6] Could not resolve hostname' >&2
    exit 101`,
};

test("an unreachable crates.io is named", async () => {
  const folder = clone();
  mkdirSync(join(folder, "node_modules"));
  const { code, said } = await end(await start(NO_CRATES_IO, { folder }));
  assert.equal(code, 1);
  assert.match(said, /^index\.crates\.io cannot be reached \(Could not resolve\), /m);
  assert.match(said, / worker-build [\d.]+ could not be installed\.$/m);
});

test("other failures of cargo are shown in its own words", async () => {
  const folder = clone();
  mkdirSync(join(folder, "node_modules"));
  const cargo = "[ \"$1\" = install ] || exec echo cargo\necho 'error: no linker' >&2\nexit 101";
  const { said } = await end(await start({ ...NO_CRATES_IO, cargo }, { folder }));
  assert.match(said, /^error: no linker cargo install failed/m);
  assert.doesNotMatch(said, /cannot be reached/);
});

test("a silent server is given up after ten seconds", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const options = { server: "index.crates.io", sign: /Installing/ };
    const failed = assert.rejects(download("sleep", ["600"], options), {
      message: /^index\.crates\.io cannot be reached \(no answer within 10 s\)/,
    });
    mock.timers.tick(10_000);
    await failed;
  } finally {
    mock.timers.reset();
  }
});

test("apt-get update that fetched nothing is a failure, although it exits with 0", async () => {
  const { path, calls } = fakePrograms({
    "apt-get": 'echo "Err:1 http://deb.debian.org bookworm InRelease"',
  });
  const before = process.env.PATH;
  process.env.PATH = path;
  try {
    await assert.rejects(aptInstall(["chromium"]), { message: /^Debian's package server cannot / });
  } finally {
    process.env.PATH = before;
  }
  assert.deepEqual(calls(), ["apt-get update"]);
});

test("a connection shows whether a server can be reached", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${server.address().port}`;
  assert.equal(await connectionFailure(url), undefined);
  server.close();
  await once(server, "close");
  assert.equal(await connectionFailure(url), "ECONNREFUSED");
  process.env.https_proxy = "http://proxy.example.test";
  try {
    assert.equal(await connectionFailure(url), undefined, "a proxy may know the way");
  } finally {
    delete process.env.https_proxy;
  }
});

/** An npm whose installation never ends. */
const SLOW_NPM = `
  [ "$1" = ping ] && exit 0
  sleep 600 &
  echo "$$ $!" > pids
  echo begun >> calls
  wait`;

/** Interrupts a script while npm is installing. @returns {Promise<{ code: number, left: number[] }>} */
async function interrupt(name, signal) {
  const run = await start({ npm: SLOW_NPM, ...NO_RUST }, { name });
  await run.script.line(/installing the node modules/);
  await begun(run);
  run.script.signal(signal);
  const { code } = await end(run);
  const pids = readFileSync(join(run.folder, "pids"), "utf8").split(" ").map(Number);
  const left = processes().filter(({ pid }) => pids.includes(pid));
  return { code, left, checkout: run.checkout };
}

for (const name of ["setup.mjs", "start.mjs", "serve.mjs", "build.mjs", "test.mjs"]) {
  test(`Ctrl-C in the set-up of ${name} leaves nothing running and exits with 130`, async () => {
    const { code, left } = await interrupt(name, "SIGINT");
    assert.equal(code, 130);
    assert.deepEqual(left, []);
  });
}

for (const [signal, status] of [
  ["SIGTERM", 143],
  ["SIGHUP", 129],
  ["SIGQUIT", 131],
]) {
  test(`${signal} in set-up leaves nothing running and exits with ${status}`, async () => {
    const { code, left } = await interrupt("start.mjs", signal);
    assert.equal(code, status);
    assert.deepEqual(left, []);
  });
}

test("after an interruption, the next run installs what is missing", async () => {
  const { checkout: folder } = await interrupt("setup.mjs", "SIGINT");
  mkdirSync(join(folder, "node_modules"));
  const run = await start({ npm: "true", ...NO_RUST }, { folder });
  assert.match((await end(run)).said, AFTER_NPM);
  assert.match(run.calls()[1], /^npm ci /);
});

test("an interrupted compilation keeps what it has compiled for the next run", async () => {
  const folder = clone();
  mkdirSync(join(folder, "node_modules"));
  const cargo = `
    [ "$1" = install ] || exec echo cargo
    echo 'Installing' && mkdir -p "$CARGO_TARGET_DIR" && touch "$CARGO_TARGET_DIR/$(basename "$0")"
    echo begun >> calls
    sleep 600`;
  const run = await start({ ...NO_CRATES_IO, cargo }, { folder });
  await begun(run);
  run.script.signal("SIGINT");
  assert.equal((await end(run)).code, 130);
  assert.ok(existsSync(join(folder, "target", "tools", "worker-build", "cargo")));
});
