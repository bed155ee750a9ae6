/** The service worker that the build makes: it knows the page's files, and differs whenever one of them does. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { PUBLIC } from "../../scripts/lib/pages.mjs";
import { ROOT } from "../../scripts/lib/paths.mjs";
import { serviceWorker } from "../../scripts/lib/service-worker.mjs";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";

const FILES = {
  "index.html": "<title>Page</title>",
  "favicon.svg": "<svg/>",
  _headers: "/*\n  Vary: Origin",
};
const NAMES = { needed: ["assets/a-1.js", "favicon.svg"], late: [], all: ["assets/b-1.js"] };

test("it is the same for the same files, and another one when any of them changes", async () => {
  const usual = await made(FILES, NAMES);
  assert.equal(await made(FILES, NAMES), usual);
  for (const [what, files, names] of [
    ["the page", { ...FILES, "index.html": "<title>Other</title>" }, NAMES],
    ["its headers", { ...FILES, _headers: "" }, NAMES],
    ["a file without a hash", { ...FILES, "favicon.svg": "<svg></svg>" }, NAMES],
    ["a needed file", FILES, { ...NAMES, needed: ["assets/a-2.js", "favicon.svg"] }],
    ["a file that is loaded later", FILES, { ...NAMES, all: ["assets/b-2.js"] }],
  ]) {
    assert.notEqual(await made(files, names), usual, what);
  }
});

test("the one that is served knows every file that the page names, and all its files are there", () => {
  const source = readFileSync(join(PUBLIC, "sw.js"), "utf8");
  const html = readFileSync(join(PUBLIC, "index.html"), "utf8");
  const known = Array.from(source.matchAll(/"(\/[\w./-]+\.\w+)"/g), ([, path]) => path);
  for (const [, path] of html.matchAll(/"(\/assets\/[^"]+)"/g)) {
    assert.ok(known.includes(path), path);
  }
  assert.ok(known.includes("/favicon.svg"));
  for (const path of known) assert.ok(existsSync(join(PUBLIC, path)), path);
});

/** The service worker of a page with these files. */
async function made(files, names) {
  const folder = makeTemporary("page-");
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const options = { absWorkingDir: join(ROOT, "public"), bundle: true, write: false };
  const source = await serviceWorker({
    build: (more) => build({ ...options, ...more }),
    folder,
    page: "index.html",
    ...names,
  });
  return Buffer.from(source).toString();
}
