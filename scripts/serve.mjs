import { existsSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { ASSISTANT, assistantWithPages, keepingIn, problemsWith } from "./lib/assistant.mjs";
import { build } from "./lib/build.mjs";
import { examineAll, lines, patientsIn } from "./lib/doctor.mjs";
import { logPrinter } from "./lib/log-format.mjs";
import { endsBySignal, main } from "./lib/main.mjs";
import { modelOf } from "./lib/model.mjs";
import { ROOT } from "./lib/paths.mjs";
import { ensureFree, wantedPort } from "./lib/port.mjs";
import { Failure, isStopping } from "./lib/process.mjs";
import { list, say, sayOnStderr } from "./lib/voice.mjs";
import { Workerd } from "./lib/workerd.mjs";
import { wranglerConfig, wranglerVars } from "./lib/wrangler-toml.mjs";
import { keepsConversations, openDataFolder } from "./serve/data-folder.mjs";
import { OpenRequests } from "./serve/open-requests.mjs";
import { supervise } from "./serve/supervisor.mjs";

const COMMAND = "npm run serve";

/** Stands for all hosts of this machine, which the worker always allows when any host is listed. */
const LOCAL = "localhost";

/** How long open answers have to finish when the server is told to stop. */
const PATIENCE_MS = 30_000;
const PARTING = `Stopping. Open answers have ${PATIENCE_MS / 1000} s to finish; a second signal ends them now.`;

// Standard output is for the log lines, which programs read.
sayOnStderr();
await main(serve);

async function serve() {
  const port = wantedPort(COMMAND);
  const host = process.env.HOST?.trim() || "127.0.0.1";
  const printRecord = logPrinter("json");
  await ensureFree(port, { host, command: COMMAND });
  if (hasSources()) await build();
  endsBySignal({ patienceMs: PATIENCE_MS, parting: PARTING });
  const configured = { ...process.env, ...configuration() };
  const env = { ...configured, ...hosts(configured, host) };
  await ensureReady(env);
  // From here on, what is written are conversations, which are for no other user of this machine.
  process.umask(0o077);
  const data = await openDataFolder();

  const address = `${urlHost(host)}:${port}`;
  const open = new OpenRequests();
  tell(examineAll(patientsIn(env)));
  await supervise({
    start: () =>
      new Workerd(
        { assistant: assistant(data?.path) },
        { address, env, onLine: hear, lock: data?.lock },
      ),
    open,
    isStopping,
    log: printRecord,
    onListening: () => say(greeting(address, env, data?.path)),
  });

  function hear(line) {
    // The runtime prints lines of its own, which are no JSON.
    if (line.startsWith("{")) printRecord(line);
    else console.error(line);
    for (const last of open.hear(line)) printRecord(last);
  }
}

/** Says how the model's server is, once that is known: the assistant does not wait for it. */
async function tell(examined) {
  for (const line of lines(await examined)) say(line);
}

function greeting(address, env, conversations) {
  const lines = [
    conversations ? `Conversations are kept in ${conversations}` : "No conversations are kept.",
    `The assistant is at http://${address}, answered by ${modelOf(env)}. Its log lines follow.`,
  ];
  if (!env.ACCESS_TOKENS?.trim()) {
    lines.unshift(
      "There are no ACCESS_TOKENS, so anyone who reaches the assistant may chat.",
      `It answers only to these hosts: ${env.ALLOWED_HOSTS}`,
    );
  }
  return lines.join("\n");
}

/** A host as a URL has it. */
function urlHost(host) {
  return isIPv6(host) ? `[${host}]` : host;
}

/**
 * Without access tokens, any page that reaches the server may chat, and DNS rebinding lets a page reach it under a name
 * of its own. So the server then answers only to `HOST` and this machine's names, or to those in `ALLOWED_HOSTS`.
 */
function hosts(env, host) {
  if (env.ACCESS_TOKENS?.trim() || env.ALLOWED_HOSTS?.trim()) return {};
  const isAll = host === "0.0.0.0" || /^[0:]+$/.test(host);
  return { ALLOWED_HOSTS: isAll ? LOCAL : [LOCAL, urlHost(host)].join(",") };
}

/** The environment's variables, and for those that it lacks `[vars]` of wrangler.toml, which are safe by default. */
function configuration() {
  const vars = Object.entries(wranglerVars());
  return Object.fromEntries(
    vars.map(([name, value]) => [name, process.env[name]?.trim() || value]),
  );
}

/** Makes sure that the worker accepts its configuration: otherwise every answer would be an error. */
async function ensureReady(env) {
  const problems = await problemsWith(env, { keeps: keepsConversations() });
  if (problems.length === 0) return;
  throw new Failure(
    `The assistant cannot be served with this configuration:\n\n${list(problems)}\n\n` +
      `${COMMAND} takes its variables from the environment, and those that are missing there from [vars] in ` +
      "wrangler.toml. docs/configuration.md explains them.",
  );
}

/**
 * The worker, with the folder of pages that wrangler.toml names.
 * @param {string | undefined} conversations their folder; without one, none are kept
 */
function assistant(conversations) {
  const directory = wranglerConfig().assets?.directory;
  const folder = directory && join(ROOT, directory);
  const worker = folder && existsSync(folder) ? assistantWithPages(folder) : ASSISTANT;
  return conversations === undefined ? worker : keepingIn(conversations, worker);
}

/** A container has the build, but not what it was made from. */
function hasSources() {
  return existsSync(join(ROOT, "src"));
}
