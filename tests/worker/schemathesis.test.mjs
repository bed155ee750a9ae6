/**
 * `openapi.json` and the worker held against each other by Schemathesis, which makes up requests from the document,
 * good ones and bad ones, and looks whether the answers are what it says.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { unstable_readConfig } from "wrangler";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";
import { Missing, pythonEnvironment } from "../compat/python.mjs";
import { startWorker } from "../support/harness.mjs";
import { document } from "../support/openapi.mjs";
import { answerWell, startUpstream } from "../support/upstream.mjs";

const VERSION = "4.32.5";
const TOKEN = "schemathesis-token-0123456789";
const MINUTES = 60_000;

/**
 * What it must not make up: the rule depends on what was answered before, or on another field, which a document cannot
 * say. Other tests have them.
 */
const DEPENDENT = {
  "Idempotency-Key": "counts only with a conversation",
  "Last-Event-ID": "only ids of frames of the same answer, and only with a conversation",
  before: "only what `next` of a page has said",
  from: "not after `to`",
  to: "not before `from`",
};

/** Whether something may be done tells a preflight, whether or not there is what it would be done to. */
const CONFIGURATION = `
[[operations]]
include-method = "OPTIONS"
[operations.checks]
use_after_free.enabled = false
`;

/** The same requests each time. */
const OPTIONS = [
  ...["--generation-deterministic", "--max-examples", "30"],
  ...["--no-color", "--continue-on-failure"],
];

const schemathesis = await environment();
const { vars } = unstable_readConfig({
  config: fileURLToPath(new URL("../../wrangler.toml", import.meta.url)),
});
const upstream = await startUpstream(answerWell);
// The limits that the document names are those of the shipped configuration.
const bindings = {
  ...vars,
  OPENAI_BASE_URL: upstream.url,
  ACCESS_TOKENS: TOKEN,
  LOG_LEVEL: "ERROR",
};

test("Schemathesis finds nothing", { skip: schemathesis.skip, timeout: 5 * MINUTES }, async () => {
  const app = await startWorker(bindings, { owners: true, pages: true });
  const folder = makeTemporary("schemathesis-");
  const [configuration, file] = ["schemathesis.toml", "openapi.json"].map((name) =>
    join(folder, name),
  );
  writeFileSync(configuration, CONFIGURATION);
  writeFileSync(file, JSON.stringify(withoutDependent(document)));
  const args = [...OPTIONS, "--header", `Authorization: Bearer ${TOKEN}`, "--url", app.url];
  const { code, output } = await run(["--config-file", configuration, "run", file, ...args]);
  assert.equal(code, 0, output);
});

function withoutDependent(document) {
  const copy = structuredClone(document);
  const named = (parameter) => {
    const name = parameter.$ref?.split("/").at(-1);
    return name === undefined ? parameter.name : copy.components.parameters[name].name;
  };
  const removed = new Set();
  for (const operation of Object.values(copy.paths).flatMap((path) => Object.values(path))) {
    operation.parameters = operation.parameters?.filter((parameter) => {
      const isDependent = named(parameter) in DEPENDENT;
      if (isDependent) removed.add(named(parameter));
      return !isDependent;
    });
  }
  assert.deepEqual([...removed].sort(), Object.keys(DEPENDENT).sort());
  // Only turns of the same conversation.
  delete copy.components.schemas.ChatRequest.properties.after;
  delete copy.paths["/chat"].post.requestBody.content["application/json"].examples.branch;
  return copy;
}

async function run(args) {
  const child = spawn(schemathesis.python, ["-m", "schemathesis.cli", ...args], {
    // It keeps what it has found in the folder that it is started in.
    cwd: schemathesis.packages,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  const [code] = await once(child, "close");
  return { code, output };
}

async function environment() {
  try {
    return await pythonEnvironment(`schemathesis-${VERSION}`, {
      requirements: [`schemathesis==${VERSION}`],
      takes: "about 30 seconds",
    });
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return { skip: error.message };
  }
}
