import { once } from "node:events";
import { createInterface } from "node:readline";
import { logPrinter, PRINTERS } from "./lib/log-format.mjs";
import { safe } from "./lib/log-lines.mjs";
import { endsBySignal, main } from "./lib/main.mjs";
import { ensureNodeModules } from "./lib/node-modules.mjs";
import { Failure, launch } from "./lib/process.mjs";
import { Envelopes, toldBy } from "./lib/tail.mjs";
import { say, sayOnStderr } from "./lib/voice.mjs";
import { ensureLoggedIn, wrangler } from "./lib/wrangler.mjs";

const JSON_FLAG = "--json";

// Standard output is for the log lines, which programs can read with `--json`.
sayOnStderr();
await main(() => logs(process.argv.slice(2)));

/** @param {string[]} args the arguments of `wrangler tail`, and `--json` */
async function logs(args) {
  const print = args.includes(JSON_FLAG) ? PRINTERS.json : logPrinter("text");
  await ensureNodeModules();
  await ensureLoggedIn();
  endsBySignal();
  say("The deployment's log lines follow as they are written. Ctrl-C stops this.");
  const rest = args.filter((arg) => arg !== JSON_FLAG);
  const [program, programArgs, env] = wrangler(["tail", "--format", "json", ...rest]);
  const tail = launch(program, programArgs, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(tail, "close");
  const envelopes = new Envelopes();
  for await (const line of createInterface({ input: tail.stdout })) {
    const { envelope, text } = envelopes.feed(line);
    if (text) console.error(safe(text));
    if (!envelope) continue;
    const { lines, notes } = toldBy(envelope);
    for (const each of lines) print(each);
    for (const note of notes) console.error(safe(note));
  }
  const [code] = await ended;
  throw new Failure(
    code === 0
      ? "Cloudflare closed the log. Run 'npm run logs' again."
      : "wrangler tail failed; the lines above say why.",
  );
}
