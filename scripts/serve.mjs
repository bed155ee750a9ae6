import { existsSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { ASSISTANT, assistantWithPages, problemsWith } from "./lib/assistant.mjs";
import { build } from "./lib/build.mjs";
import { logPrinter } from "./lib/log-format.mjs";
import { main } from "./lib/main.mjs";
import { ROOT } from "./lib/paths.mjs";
import { ensureFree, wantedPort } from "./lib/port.mjs";
import { Failure, isStopping } from "./lib/process.mjs";
import { upstreamHost } from "./lib/upstream-host.mjs";
import { say, sayOnStderr } from "./lib/voice.mjs";
import { Workerd } from "./lib/workerd.mjs";
import { wranglerConfig, wranglerVars } from "./lib/wrangler-toml.mjs";
import { OpenRequests } from "./serve/open-requests.mjs";
import { supervise } from "./serve/supervisor.mjs";

const COMMAND = "npm run serve";

/** Names this machine's own hosts, which count wherever any are listed. */
const LOCAL = "localhost";

/** What answers that are under way when the server is told to end have to end by themselves. */
const PATIENCE_MS = 30_000;
const PARTING = `Stopping. Answers under way have ${PATIENCE_MS / 1000} s; a second signal ends them now.`;

// Standard output is for the log lines, which programs read.
sayOnStderr();
await main(serve, { stoppedCode: 0, patienceMs: PATIENCE_MS, parting: PARTING });

async function serve() {
  const port = wantedPort(COMMAND);
  const host = process.env.HOST?.trim() || "127.0.0.1";
  const printRecord = logPrinter("json");
  await ensureFree(port, { host, command: COMMAND });
  await build();
  const configured = { ...process.env, ...configuration() };
  const env = { ...configured, ...hosts(configured, host) };
  await ensureReady(env);

  const address = `${urlHost(host)}:${port}`;
  const open = new OpenRequests();
  await supervise({
    start: () => new Workerd({ assistant: assistant() }, { address, env, onLine: hear }),
    open,
    isStopping,
    log: printRecord,
    onListening: () => say(greeting(address, env)),
  });

  function hear(line) {
    // The runtime itself has something to say at times.
    if (line.startsWith("{")) printRecord(line);
    else say(line);
    for (const last of open.hear(line)) printRecord(last);
  }
}

function greeting(address, env) {
  const model = env.OPENAI_MODEL ?? "its default model";
  const lines = [
    `The assistant is at http://${address}, answered by ${model} at ${upstreamHost(env.OPENAI_BASE_URL)}. ` +
      "Its log lines follow.",
  ];
  if (!env.ACCESS_TOKENS?.trim()) {
    lines.unshift(
      `There are no ACCESS_TOKENS, so anyone may chat who reaches it, by these hosts: ${env.ALLOWED_HOSTS}.`,
    );
  }
  return lines.join("\n");
}

/** A host as a URL has it. */
function urlHost(host) {
  return isIPv6(host) ? `[${host}]` : host;
}

/**
 * Where nobody needs a token, any page that reaches the server could chat, and a page can reach it by a name of its own
 * that it has lead here. So then it answers only by the hosts that somebody has named.
 */
function hosts(env, host) {
  if (env.ACCESS_TOKENS?.trim() || env.ALLOWED_HOSTS?.trim()) return {};
  const isAll = host === "0.0.0.0" || /^[0:]+$/.test(host);
  return { ALLOWED_HOSTS: isAll ? LOCAL : [LOCAL, urlHost(host)].join(",") };
}

/** `[vars]` of wrangler.toml, so that what is safe there is safe here, and before them what the environment has. */
function configuration() {
  const vars = Object.entries(wranglerVars());
  return Object.fromEntries(
    vars.map(([name, value]) => [name, process.env[name]?.trim() || value]),
  );
}

/** Nobody wants a server whose every answer is that its configuration is wrong. */
async function ensureReady(env) {
  const problems = await problemsWith(env);
  if (problems.length === 0) return;
  throw new Failure(
    `The assistant cannot be served as it is configured:\n\n  ${problems.join("\n  ")}\n\n` +
      "Here, variables come from the environment; docs/configuration.md explains them.",
  );
}

/** The pages are where Cloudflare would take them from. */
function assistant() {
  const directory = wranglerConfig().assets?.directory;
  const folder = directory && join(ROOT, directory);
  return folder && existsSync(folder) ? assistantWithPages(folder) : ASSISTANT;
}
