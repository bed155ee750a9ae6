/** The container: what is in its image is enough to serve, and what docker/ says about it is so. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../scripts/lib/paths.mjs";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";
import { KeptClient, parseFrames } from "../support/kept-reader.mjs";
import { freePort, startScript } from "../support/script.mjs";
import { READY, TOKEN, usualEnv } from "../support/serve.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";

const read = (path) => readFileSync(join(ROOT, path), "utf8");
const upstream = await startUpstream(undefined, { turnsQuestionsAway: true });
const image = makeTemporary("image-");
execFileSync(join(ROOT, "docker", "collect.sh"), [image]);

const stages = read("docker/Dockerfile").split(/^FROM /m);
const final = stages.at(-1);
const valuesOf = (instruction) =>
  Array.from(final.matchAll(new RegExp(`^${instruction} (.*)$`, "gm")), ([, value]) => value);

const paths = () => readdirSync(image, { recursive: true }).toSorted();

test("the image serves without the checkout, and writes nothing but conversations", async () => {
  const before = paths();
  const port = `${await freePort()}`;
  const script = startScript("serve.mjs", {
    folder: image,
    env: { ...usualEnv(upstream), PORT: port },
  });
  await script.line(READY);
  const page = await fetch(`http://127.0.0.1:${port}/`);
  assert.match(await page.text(), /<title>/);
  assert.equal(health(port).status, 0);
  script.signal("SIGTERM");
  assert.equal(await script.end(), 0);
  assert.deepEqual(paths(), before);
  const { status, stderr } = health(port);
  assert.equal(status, 1);
  assert.match(stderr, /ECONNREFUSED/);
});

test("its user keeps conversations in the volume, which outlast a kill in the middle of an answer", async (t) => {
  if (process.getuid() !== 0) return t.skip("only root may run it as another user");
  const [uid, gid] = valuesOf("USER")[0].split(":").map(Number);
  chmodSync(image, 0o755);
  const volume = makeTemporary("volume-");
  chownSync(volume, uid, gid);
  const start = async () => {
    const env = { ...usualEnv(upstream), HOME: "/tmp", PORT: `${await freePort()}` };
    const script = startScript("serve.mjs", {
      folder: image,
      env: { ...env, DATA_DIR: volume },
      ...{ node: join(image, "bin", "node"), uid, gid },
    });
    await script.line(READY);
    const client = new KeptClient({ url: `http://127.0.0.1:${env.PORT}` }, TOKEN);
    return { script, client };
  };
  const first = await start();
  const cut = first.client.ask({ conversation: "kept", message: "Go on", key: "cut" });
  (await upstream.nextCall()).write(delta("first"));
  await cut.hasRead(1);
  first.script.signal("SIGKILL");
  await first.script.end();
  const { script, client } = await start();
  const text = await client.read("cut").whole();
  assert.equal(text.slice(0, cut.text.length), cut.text);
  assert.deepEqual(
    parseFrames(text).map(({ content, code }) => [content, code]),
    [
      ["first", undefined],
      ["", "interrupted"],
    ],
  );
  const next = client.ask({ conversation: "kept", message: "Go on" });
  (await upstream.nextCall()).end(...answer("second"));
  assert.equal(parseFrames(await next.whole()).at(-1).history_turns, 2);
  script.signal("SIGTERM");
  assert.equal(await script.end(), 0);
  for (const name of readdirSync(volume, { recursive: true })) {
    const { uid: owner, mode } = statSync(join(volume, name));
    assert.deepEqual([owner, mode & 0o077], [uid, 0], name);
  }
});

/** The health check of the container, by the Node that is in the image. */
function health(port) {
  const check = join(image, "scripts", "serve", "healthy.mjs");
  const env = { PORT: port };
  return spawnSync(join(image, "bin", "node"), [check], { env, encoding: "utf8" });
}

test("the image has no tool that built it", () => {
  assert.deepEqual(readdirSync(join(image, "node_modules")), [
    "@cloudflare",
    "smol-toml",
    "workerd",
  ]);
  assert.ok(
    readdirSync(join(image, "node_modules", "@cloudflare")).every((name) => /^workerd-/.test(name)),
  );
  assert.ok(!existsSync(join(image, "src")));
  const [, installed] = final.match(/apt-get install [-\w ]*?((?: (?!-)[\w-]+)+) \\/);
  assert.equal(installed.trim(), "ca-certificates libatomic1");
});

test("it runs as a user of its own, to whom the conversations belong", () => {
  assert.deepEqual(valuesOf("USER"), ["10001:10001"]);
  assert.match(final, /install --directory --mode=0700 --owner=10001 --group=10001 \/data$/m);
});

test("every program that it runs is in the image", () => {
  const home = "/opt/personal-ai-assistant";
  assert.deepEqual(valuesOf("WORKDIR"), [home]);
  assert.match(final, /^COPY --from=build \/collected\/ \/opt\/personal-ai-assistant\/$/m);
  const [check, start] = [final.match(/^ {2}CMD (.*)$/m)[1], valuesOf("ENTRYPOINT")[0]].map(
    JSON.parse,
  );
  for (const path of [...check, ...start]) {
    assert.ok(existsSync(join(image, path.replace(home, ""))), path);
  }
});

test("its base images are pinned to a version or a date", () => {
  const images = Array.from(stages[0].matchAll(/^ARG \w+=(.*)$/gm), ([, name]) => name);
  assert.equal(images.length, 3);
  for (const name of images) assert.match(name, /^\w+:(\d+\.\d+\.\d+-|\w+-\d{8}-)/, name);
});

test("compose keeps conversations in a volume, and everything else cannot be written", () => {
  const compose = read("docker/compose.yaml");
  const [volume] = valuesOf("VOLUME");
  assert.ok(valuesOf("ENV")[0].includes(`DATA_DIR=${volume}`));
  for (const line of [
    `volumes: ["conversations:${volume}"]`,
    "read_only: true",
    "cap_drop: [ALL]",
    'security_opt: ["no-new-privileges:true"]',
    'ports: ["127.0.0.1:8787:8787"]',
  ]) {
    assert.ok(compose.includes(`\n    ${line}\n`), line);
  }
  assert.match(compose, /^ {4}tmpfs: \["\/tmp:/m);
});

test("compose checks the health as the image does", () => {
  const check = read("docker/compose.yaml").match(/^ {4}healthcheck:\n((?: {6}.*\n)+)/m)[1];
  const [, times, program] = final.match(/^HEALTHCHECK (.*) \\\n {2}CMD (.*)$/m);
  const said = Object.fromEntries(
    check
      .trim()
      .split("\n")
      .map((line) => line.trim().split(": ")),
  );
  const { test: run, ...rest } = said;
  assert.equal(run, JSON.parse(program).join(" "));
  const flags = Object.entries(rest).map(([name, time]) => `--${name.replace("_", "-")}=${time}`);
  assert.equal(flags.join(" "), times);
});

test("no secret of a checkout gets into an image", () => {
  const allowed = read(".dockerignore").match(/^[^#\n].*$/gm);
  assert.equal(allowed.shift(), "*");
  for (const name of allowed)
    assert.match(name, /^!(Cargo|docker\/collect\.sh|package|public|scripts|src|wrangler\.toml)/);
  assert.match(read(".gitignore"), /^docker\/assistant\.env$/m);
});

test("under systemd, conversations are in the service's own state directory", () => {
  const [unit] = read("docs/own-server.md").match(/```ini\n[^`]*```/);
  assert.match(unit, /^StateDirectory=personal-ai-assistant$/m);
  assert.match(unit, /^StateDirectoryMode=0700$/m);
  assert.match(unit, /^Environment=.* DATA_DIR=%S\/personal-ai-assistant$/m);
});
