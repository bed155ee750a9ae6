import { existsSync } from "node:fs";
import { isIPv6 } from "node:net";
import { join } from "node:path";
import { ASSISTANT, assistantWithPages, problemsWith } from "./lib/assistant.mjs";
import { build } from "./lib/build.mjs";
import { logPrinter } from "./lib/log-format.mjs";
import { main } from "./lib/main.mjs";
import { ROOT } from "./lib/paths.mjs";
import { ensureFree, wantedPort } from "./lib/port.mjs";
import { Failure } from "./lib/process.mjs";
import { upstreamHost } from "./lib/upstream-host.mjs";
import { say, sayOnStderr } from "./lib/voice.mjs";
import { Workerd } from "./lib/workerd.mjs";
import { wranglerConfig, wranglerVars } from "./lib/wrangler-toml.mjs";

const COMMAND = "npm run serve";

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
  const env = { ...process.env, ...configuration() };
  await ensureReady(env);

  const address = `${isIPv6(host) ? `[${host}]` : host}:${port}`;
  const runtime = new Workerd(
    { assistant: assistant() },
    {
      address,
      env,
      // The runtime itself has something to say at times.
      onLine: (line) => (line.startsWith("{") ? printRecord(line) : say(line)),
    },
  );
  await runtime.listening();
  say(
    `The assistant is at http://${address}, answered by ${env.OPENAI_MODEL ?? "its default model"} at ` +
      `${upstreamHost(env.OPENAI_BASE_URL)}. Its log lines follow.`,
  );
  await runtime.ended;
  throw new Failure("The server has ended by itself; the lines above may say why.");
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
      'Here, variables come from the environment; README.md explains them under "Configuration".',
  );
}

/** The pages are where Cloudflare would take them from. */
function assistant() {
  const directory = wranglerConfig().assets?.directory;
  const folder = directory && join(ROOT, directory);
  return folder && existsSync(folder) ? assistantWithPages(folder) : ASSISTANT;
}
