import { build } from "./lib/build.mjs";
import { DevServer } from "./lib/dev-server.mjs";
import { devVar, ownVar } from "./lib/dev-vars.mjs";
import { logPrinter } from "./lib/log-format.mjs";
import { main, say } from "./lib/main.mjs";
import { ensureFree, wantedPort } from "./lib/port.mjs";
import { Failure } from "./lib/process.mjs";
import { step } from "./lib/progress.mjs";
import { startStandIn } from "./lib/stand-in.mjs";
import { upstreamHost } from "./lib/upstream-host.mjs";

await main(start, { stoppedCode: 0 });

async function start() {
  const port = wantedPort();
  const printRecord = logPrinter("text");
  await ensureFree(port);
  await build();
  const upstream = await chooseUpstream();
  await ensureFree(port);
  const server = new DevServer(port, { ...access(), ...upstream.vars }, printRecord);
  await step("Starting the worker", () => server.ready());
  ensureReady(await server.problems());
  say(greeting(server.address, upstream.name));
  server.showLogs();
  await server.ended;
  throw new Failure("wrangler dev has ended by itself; run npm start again.");
}

function greeting(address, answeredBy) {
  return `
The assistant is ready, answered by ${answeredBy}:

  ${address}/        to chat in a browser
  ${address}/docs    to see the whole API, and try it

  curl -N ${address}/chat -H 'Content-Type: application/json'${credentials()} -d '{"message":"Hello"}'

Ctrl-C stops it. The worker's log lines follow.
`;
}

/** Nobody wants a worker whose every answer is that its configuration is wrong. */
function ensureReady(problems) {
  if (problems.length === 0) return;
  throw new Failure(
    `The assistant cannot answer as it is configured:\n\n  ${problems.join("\n  ")}\n\n` +
      "Variables are set in .dev.vars, else in wrangler.toml; .dev.vars.example explains them.",
  );
}

/**
 * Only this machine reaches the worker, so anyone may chat unless .dev.vars says otherwise. But a browser on this machine
 * shows pages of all the world, which are not to spend the key: so without tokens the worker answers only by this
 * machine's own hosts, and then no pages but its own, unless others are named.
 */
function access() {
  const vars = { REQUIRE_AUTH: ownVar("REQUIRE_AUTH") ?? "false" };
  const isOpen = !devVar("ACCESS_TOKENS") && !devVar("ALLOWED_HOSTS");
  return isOpen ? { ...vars, ALLOWED_HOSTS: "localhost" } : vars;
}

/** The header that a request needs besides, without the token itself. */
function credentials() {
  return ownVar("ACCESS_TOKENS") ? " -H 'Authorization: Bearer YOUR_TOKEN'" : "";
}

/** @returns {Promise<{ name: string, vars: Record<string, string> }>} who answers, and what tells the worker so */
async function chooseUpstream() {
  if (devVar("OPENAI_API_KEY")) {
    const model = devVar("OPENAI_MODEL") ?? "its default model";
    return { name: `${model} at ${upstreamHost(devVar("OPENAI_BASE_URL"))}`, vars: {} };
  }
  say("There is no OPENAI_API_KEY in .dev.vars, so a stand-in answers instead of a model.");
  const url = await startStandIn();
  return { name: "the stand-in", vars: { OPENAI_API_KEY: "stand-in", OPENAI_BASE_URL: url } };
}
