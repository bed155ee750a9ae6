import { parseArgs } from "node:util";
import { ask } from "./doctor/ask.mjs";
import { isAboutNames, problemsWith } from "./lib/assistant.mjs";
import { build } from "./lib/build.mjs";
import { devVars } from "./lib/dev-vars.mjs";
import { examineAll, lines, patientsIn } from "./lib/doctor.mjs";
import { main, say } from "./lib/main.mjs";
import { Failure } from "./lib/process.mjs";
import { step } from "./lib/progress.mjs";
import { list } from "./lib/voice.mjs";
import { wranglerVars } from "./lib/wrangler-toml.mjs";

const USAGE =
  "Usage: npm run doctor [-- --ask]\n\n" +
  "It asks the model's server whether it is there, takes the key, and has the models. Nothing is bought, unless --ask " +
  "has one short answer streamed through the worker.";

await main(() => doctor(process.argv.slice(2)));

/** @param {string[]} args */
async function doctor(args) {
  const { asks } = optionsIn(args);
  await build();
  const { vars, where } = configured();
  say(`The configuration is that of ${where}.`);
  // Who may ask, and where tokens are counted, does not concern the model's server. A budget by name cannot be checked:
  // the deployment's tokens are secret.
  const told = await problemsWith({ ...vars, REQUIRE_AUTH: "false" }, { keeps: true });
  const problems = told.filter((problem) => !isAboutNames(problem));
  if (problems.length > 0) {
    throw new Failure(`The worker does not accept the configuration:\n\n${list(problems)}`);
  }
  const findings = await step("Asking the model's server", () => examineAll(patientsIn(vars)));
  for (const line of lines(findings)) say(line);
  // An answer says more than all that came before it.
  const decisive = asks ? [await step("Asking for a short answer", () => ask(vars))] : findings;
  if (asks) for (const line of lines(decisive)) say(line);
  const has = (wanted) => decisive.some(({ verdict }) => verdict === wanted);
  if (has("bad")) throw new Failure("The assistant cannot answer like this.");
  if (has("open")) say("'npm run doctor -- --ask' finds out more: it buys one short answer.");
}

function optionsIn(args) {
  try {
    const { values } = parseArgs({ args, options: { ask: { type: "boolean" } } });
    return { asks: values.ask ?? false };
  } catch (error) {
    throw new Failure(`${error.message}\n\n${USAGE}`);
  }
}

/** The environment's variables, as for `npm run serve`, if a key is among them; else those of `npm start`. */
function configured() {
  const { own, all } = devVars();
  if (process.env.OPENAI_API_KEY?.trim()) {
    const aside = own.OPENAI_API_KEY ? ". That in .dev.vars is left aside" : "";
    const set = Object.entries(process.env).filter(([, value]) => value?.trim());
    return {
      vars: { ...wranglerVars(), ...Object.fromEntries(set) },
      where: `the environment and wrangler.toml${aside}`,
    };
  }
  if (all.OPENAI_API_KEY) return { vars: all, where: ".dev.vars and wrangler.toml" };
  throw new Failure(
    "There is no OPENAI_API_KEY in .dev.vars, nor in the environment, so there is no model's server to ask. " +
      "Copy .dev.vars.example to .dev.vars and set it.",
  );
}
