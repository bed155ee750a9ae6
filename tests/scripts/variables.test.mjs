/** One list of variables, whoever tells of them. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { VARIABLES } from "../../scripts/lib/variables.mjs";
import { wranglerVars } from "../../scripts/lib/wrangler-toml.mjs";

const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
const namesIn = (text, pattern) => Array.from(text.matchAll(pattern), ([, name]) => name);

test("the server hands over every variable of docs/configuration.md", () => {
  const [worker] = read("docs/configuration.md").split("\n## The commands' own\n");
  const bindings = ["CHAT_RATE_LIMITER", "OWNERS"];
  const told = namesIn(worker, /^\| `([A-Z_]+)`/gm).filter((name) => !bindings.includes(name));
  assert.deepEqual(told.toSorted(), VARIABLES.toSorted());
});

test("README.md and the files that set variables know no others", () => {
  const set = [
    ...namesIn(read("README.md"), /^\| `([A-Z_]+)`/gm),
    ...namesIn(read("README.md"), /^([A-Z_]+)=/gm),
    ...namesIn(read("docs/works-with.md"), /^([A-Z_]+)=/gm),
    ...namesIn(read(".dev.vars.example"), /^(?:# )?([A-Z_]{5,})=/gm),
    ...namesIn(read("wrangler.toml"), /^(?:# )?([A-Z_]{5,}) = /gm),
    ...Object.keys(wranglerVars()),
  ];
  assert.ok(set.length > 20);
  assert.deepEqual(
    set.filter((name) => !VARIABLES.includes(name)),
    [],
  );
});

test("a list or a table in wrangler.toml is refused before anything starts with it", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "variables-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, "wrangler.toml");
  for (const value of ['["gpt-6-luna"]', "{ me = 1 }", "2026-11-28"]) {
    writeFileSync(config, `[vars]\nALLOWED_MODELS = ${value}\n`);
    assert.throws(() => wranglerVars({ config }), {
      message:
        "ALLOWED_MODELS in wrangler.toml must be a text, a number or a boolean. Write a list as one text, separated by commas.",
    });
  }
});
