import { build } from "./lib/build.mjs";
import { DevServer } from "./lib/dev-server.mjs";
import { devVar, ownVar } from "./lib/dev-vars.mjs";
import { logPrinter } from "./lib/log-format.mjs";
import { main, say } from "./lib/main.mjs";
import { ensureFree, wantedPort } from "./lib/port.mjs";
import { Failure } from "./lib/process.mjs";
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
  await server.ready();
  say(`
The assistant is at ${server.address}, answered by ${upstream.name}. Try it:

  curl -N ${server.address}/chat -H 'Content-Type: application/json'${credentials()} -d '{"message":"Hello"}'

Ctrl-C stops it. The worker's log lines follow.
`);
  await server.ended;
  throw new Failure("wrangler dev has ended by itself; run npm start again.");
}

/** Only this machine reaches the worker, so anyone may chat unless .dev.vars says otherwise. */
function access() {
  return { REQUIRE_AUTH: ownVar("REQUIRE_AUTH") ?? "false" };
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
