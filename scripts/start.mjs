import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { problemsWith } from "./lib/assistant.mjs";
import { build } from "./lib/build.mjs";
import { DevServer } from "./lib/dev-server.mjs";
import { devVars } from "./lib/dev-vars.mjs";
import { examineAll, lines, patientsIn } from "./lib/doctor.mjs";
import { lockFile } from "./lib/lock.mjs";
import { logPrinter } from "./lib/log-format.mjs";
import { endsBySignal, main, say } from "./lib/main.mjs";
import { modelOf } from "./lib/model.mjs";
import { ROOT } from "./lib/paths.mjs";
import { ensureFree, wantedPort } from "./lib/port.mjs";
import { Failure } from "./lib/process.mjs";
import { step } from "./lib/progress.mjs";
import { startStandIn } from "./lib/stand-in.mjs";
import { makeTemporary } from "./lib/temporary.mjs";
import { VARIABLES } from "./lib/variables.mjs";
import { list } from "./lib/voice.mjs";
import { bindsOwners } from "./lib/wrangler-toml.mjs";

await main(start);

async function start() {
  const port = wantedPort();
  const printRecord = logPrinter("text");
  await ensureFree(port);
  await build();
  const { own, all } = devVars();
  noteUnknown(own);
  const standIn = all.OPENAI_API_KEY ? undefined : await standInFor(own);
  const given = { ...access(all, own), ...standIn };
  const state = await stateFolder();
  await ensureFree(port);
  const server = new DevServer(port, given, state, printRecord);
  // The bare runtime tells what is wrong seconds before wrangler is ready.
  await ensureReady({ ...all, ...given });
  // By the time that the worker has started, it is done.
  const examined = standIn ? [] : examineAll(patientsIn(all));
  await step("Starting the worker", () => server.ready());
  endsBySignal();
  for (const line of lines(await examined)) say(line);
  say(greeting(server.address, standIn ? "the stand-in" : modelOf(all), own));
  server.showLogs();
  await server.ended;
  throw new Failure("wrangler dev ended unexpectedly. Run 'npm start' again.");
}

function greeting(address, answeredBy, own) {
  const token = own.ACCESS_TOKENS ? " \\\n    -H 'Authorization: Bearer YOUR_TOKEN'" : "";
  return `
The assistant is ready, answered by ${answeredBy}:

  ${address}/        to chat in a browser
  ${address}/docs    to see the whole API, and try it

  curl -N ${address}/chat${token} \\
    -H 'Content-Type: application/json' -d '{"message":"Hello"}'

Ctrl-C stops it. The worker's log lines follow.
`;
}

/** A misspelt name would be ignored without a word. */
function noteUnknown(own) {
  for (const name of Object.keys(own).filter((name) => !VARIABLES.includes(name))) {
    say(`Note: .dev.vars has ${name}, which the worker does not know.`);
  }
}

/** Makes sure that the worker accepts its configuration: otherwise every answer would be an error. */
async function ensureReady(env) {
  const problems = await problemsWith(env, { keeps: bindsOwners() });
  if (problems.length === 0) return;
  throw new Failure(
    `The assistant cannot answer with this configuration:\n\n${list(problems)}\n\n` +
      "Variables are set in .dev.vars, or else in wrangler.toml; .dev.vars.example explains them. " +
      "Correct them there, and run 'npm start' again.",
  );
}

/**
 * Only this machine reaches the worker, so unless .dev.vars says otherwise, anyone may chat. But a browser on this
 * machine also shows strangers' pages, which must not spend the key: without tokens, the worker therefore answers only
 * to this machine's own hosts, and only to its own pages, unless others are named. Whoever may chat may also have their
 * conversations kept.
 */
function access(all, own) {
  const vars = {
    REQUIRE_AUTH: own.REQUIRE_AUTH || "false",
    ANONYMOUS_OWNER: own.ANONYMOUS_OWNER || "true",
  };
  const isOpen = !all.ACCESS_TOKENS && !all.ALLOWED_HOSTS;
  return isOpen ? { ...vars, ALLOWED_HOSTS: "localhost" } : vars;
}

/**
 * Where conversations are kept: with the checkout, unless another `npm start` keeps its own there. Two of them in one
 * folder would each be in the other's way.
 * @returns {Promise<string>} a folder
 */
async function stateFolder() {
  const usual = join(ROOT, ".wrangler", "state");
  mkdirSync(usual, { recursive: true });
  const { holder } = await lockFile(join(usual, "lock"));
  if (holder === undefined) return usual;
  say(
    `Note: another 'npm start' keeps the conversations of this checkout (${holder}). Those of this one are forgotten ` +
      "when it ends.",
  );
  return makeTemporary("personal-ai-assistant-");
}

/**
 * Starts the stand-in for a model.
 * @returns {Promise<Record<string, string>>} the variables that lead the worker to it
 */
async function standInFor(own) {
  if (own.OPENAI_BASE_URL) {
    throw new Failure(
      ".dev.vars sets OPENAI_BASE_URL, but not OPENAI_API_KEY. " +
        "Set the key, too: where the server needs none, any text will do.",
    );
  }
  say("OPENAI_API_KEY is not set in .dev.vars: a stand-in answers instead of a model.");
  return { OPENAI_API_KEY: "stand-in", OPENAI_BASE_URL: await startStandIn() };
}
