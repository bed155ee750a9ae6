/** Lint and format look only at the project's own files, whatever else is in the checkout. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { modernNode } from "../../scripts/lib/node-modules.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A checkout with one source file and what Biome needs. */
function checkout({ git = true } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "lint-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["biome.json", "package.json", ".gitignore", "scripts"]) {
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const name of ["public", "tests"]) mkdirSync(join(folder, name));
  write(folder, "tests/own.mjs", "export const own = 1;\n");
  if (git) {
    execFileSync("git", ["init", "--quiet"], { cwd: folder });
    execFileSync("git", ["add", "biome.json", "package.json", "scripts", "tests"], { cwd: folder });
  }
  return folder;
}

function write(folder, path, text) {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}

/** Runs Biome in a checkout as the scripts do. */
function biome(folder, ...args) {
  const module = JSON.stringify(join(folder, "scripts", "lib", "biome.mjs"));
  const source = `const { biome } = await import(${module}); await biome(${JSON.stringify(args)});`;
  return spawnSync(modernNode(), ["--input-type=module", "--eval", source], { encoding: "utf8" });
}

const UGLY = "var a = 1\n";

/** @type {[what: string, add: (folder: string) => void][]} */
const NESTED = [
  [
    // Biome 2.6.8 crashes on a link that leads out of the checkout.
    "a Python virtual environment",
    (folder) => {
      write(folder, "venv/pyvenv.cfg", "");
      mkdirSync(join(folder, "venv", "bin"));
      symlinkSync("/bin/sh", join(folder, "venv", "bin", "python3"));
    },
  ],
  [
    "a project with its own Biome configuration",
    (folder) => write(folder, "other/biome.json", "{}"),
  ],
  ["such a project among our tests", (folder) => write(folder, "tests/other/biome.json", "{}")],
  ["node modules", (folder) => write(folder, "other/node_modules/a/index.js", UGLY)],
  [
    "another repository",
    (folder) => {
      write(folder, "other/a.js", UGLY);
      execFileSync("git", ["init", "--quiet"], { cwd: join(folder, "other") });
    },
  ],
  [
    "a folder whose .gitignore ignores everything in it",
    (folder) => write(folder, "other/.gitignore", "*\n"),
  ],
];

for (const [what, add] of NESTED) {
  test(`lint ignores ${what} in the checkout`, () => {
    const folder = checkout();
    add(folder);
    const { status, stdout, stderr } = biome(folder, "check", "--error-on-warnings");
    assert.equal(status, 0, stdout + stderr);
  });
}

test("our own files are linted and formatted", () => {
  const folder = checkout();
  write(folder, "tests/own.mjs", "export  const own = 1\n");
  assert.equal(biome(folder, "check", "--error-on-warnings").status, 1);
  assert.equal(biome(folder, "check", "--write").status, 0);
  assert.equal(readFileSync(join(folder, "tests/own.mjs"), "utf8"), "export const own = 1;\n");
});

test("a deleted file that git still tracks is ignored", () => {
  const folder = checkout();
  rmSync(join(folder, "tests/own.mjs"));
  const { status, stdout, stderr } = biome(folder, "check", "--error-on-warnings");
  assert.equal(status, 0, stdout + stderr);
});

test("without git, our folders are checked", () => {
  const folder = checkout({ git: false });
  write(folder, "tests/own.mjs", "export  const own = 1\n");
  write(folder, "other/a.js", UGLY);
  const { status, stdout } = biome(folder, "check", "--error-on-warnings");
  assert.equal(status, 1);
  assert.doesNotMatch(stdout, /other\/a\.js/);
});
