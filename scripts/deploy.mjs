import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { isAboutNames, problemsWith } from "./lib/assistant.mjs";
import { build } from "./lib/build.mjs";
import { devVars } from "./lib/dev-vars.mjs";
import { examine, lines, patientsIn } from "./lib/doctor.mjs";
import { variablesIn } from "./lib/env-file.mjs";
import { main, say } from "./lib/main.mjs";
import { Failure, run } from "./lib/process.mjs";
import { step } from "./lib/progress.mjs";
import { VARIABLES } from "./lib/variables.mjs";
import { list } from "./lib/voice.mjs";
import { ensureLoggedIn, wrangler, wranglerOutput } from "./lib/wrangler.mjs";
import { bindsOwners, wranglerVars } from "./lib/wrangler-toml.mjs";

/** What each secret is, for the person who is asked for it. */
const SECRETS = {
  OPENAI_API_KEY: "the key for the model's server",
  FALLBACK_API_KEY: "the key for the server of FALLBACK_BASE_URL",
  ACCESS_TOKENS: "me:TOKEN, with a TOKEN from 'openssl rand -hex 32'",
};

/** An address on the machine that asks for it. */
const LOOPBACK = /^https?:\/\/(localhost|127\.[\d.]+|\[::1\])(?=[:/]|$)/i;

await main(() => deploy(process.argv.slice(2)));

/** @param {string[]} args the arguments of `wrangler deploy` */
async function deploy(args) {
  const options = optionsIn(args);
  await build();
  const vars = wranglerVars(options);
  const needed = await ensureValid(vars, bindsOwners(options));
  if (!options["dry-run"]) {
    await ensureLoggedIn();
    await ensureSecrets(needed, vars, options);
    for (const patient of patientsIn(vars)) await tellOfModel(patient, options);
  }
  const [program, programArgs, env] = wrangler(["deploy", ...args]);
  await run(program, programArgs, { env, asks: true, name: "wrangler deploy" });
  if (options["dry-run"]) {
    say(`Nothing was deployed. A deployment needs these secrets: ${needed.join(", ")}.`);
  }
}

/** The options that say what is deployed, and where to. */
function optionsIn(args) {
  const { values } = parseArgs({
    args,
    options: {
      config: { type: "string", short: "c" },
      "dry-run": { type: "boolean" },
      env: { type: "string", short: "e" },
      name: { type: "string" },
      "secrets-file": { type: "string" },
    },
    allowPositionals: true,
    strict: false,
  });
  return values;
}

/**
 * Makes sure that the built worker accepts the variables.
 * @param {Record<string, string>} vars
 * @param {boolean} keeps whether it has the binding `OWNERS`
 * @returns {Promise<string[]>} the secrets that it also needs
 */
async function ensureValid(vars, keeps) {
  const exposed = Object.keys(SECRETS).filter((name) => name in vars);
  if (exposed.length > 0) {
    throw new Failure(
      `wrangler.toml contains ${exposed.join(" and ")}, but it is no place for secrets. Remove it there, and set it ` +
        `with 'npx wrangler secret put ${exposed[0]}'. If the file was ever shared, replace the secret too.`,
    );
  }
  for (const name of Object.keys(vars).filter((name) => !VARIABLES.includes(name))) {
    say(`Note: [vars] in wrangler.toml has ${name}, which the worker does not know.`);
  }
  const told = await problemsWith(vars, { keeps });
  // A budget by name cannot be checked: whose tokens there are is a secret that nobody can read.
  const problems = told.filter((problem) => !isAboutNames(problem));
  const needed = Object.keys(SECRETS).filter((name) =>
    problems.some((problem) => problem.startsWith(`${name} is required`)),
  );
  const wrong = problems.filter((problem) => !needed.some((name) => problem.startsWith(name)));
  if (wrong.length > 0) {
    throw new Failure(
      `The worker rejects [vars] in wrangler.toml. Nothing was deployed.\n\n${list(wrong)}`,
    );
  }
  say("Configuration: the worker accepts it");
  return needed;
}

/** Makes sure that the deployment has its secrets, or gets them now, and none that the worker would refuse. */
async function ensureSecrets(needed, vars, { config, env, name, "secrets-file": file }) {
  const target = Object.entries({ config, env, name }).flatMap(([option, value]) =>
    value ? [`--${option}`, value] : [],
  );
  const given = file ? Object.keys(secretsIn(file)) : [];
  const wanted = needed.filter((each) => !given.includes(each));
  const stored = await secretsOf(target);
  // `problemsWith` cannot tell: it does not see the stored secrets.
  if (!vars.FALLBACK_MODELS?.trim()) {
    const key = "FALLBACK_API_KEY";
    const removals = [
      given.includes(key) && `from ${file}`,
      stored?.includes(key) &&
        `with 'npx wrangler ${["secret", "delete", key, ...target].join(" ")}'`,
    ].filter(Boolean);
    if (removals.length > 0) {
      throw new Failure(
        `There is a secret ${key}, but [vars] in wrangler.toml has no FALLBACK_MODELS, without which the worker refuses ` +
          `it. Nothing was deployed. Set FALLBACK_MODELS there, or remove the secret ${removals.join(", and ")}.`,
      );
    }
  }
  const missing = wanted.filter((each) => !stored?.includes(each));
  if (missing.length === 0) return;
  const commands = missing.map(
    (each) =>
      `  # ${SECRETS[each]}\n  npx wrangler ${["secret", "put", each, ...target].join(" ")}`,
  );
  const what = stored
    ? "The deployment lacks secrets that only you can set."
    : "There is no deployment yet. Set its secrets first; wrangler offers to create the worker for them.";
  throw new Failure(`${what} Run this, and then deploy again:\n\n${commands.join("\n")}`);
}

/** @returns {Promise<string[] | undefined>} the names of its secrets, or nothing when there is no such worker yet */
async function secretsOf(target) {
  try {
    const list = await wranglerOutput(["secret", "list", "--format", "json", ...target]);
    return JSON.parse(list).map(({ name }) => name);
  } catch (error) {
    const isNew = /\bWorker "[^"]*".* not found\./.test(error.output);
    if (isNew) return undefined;
    throw error;
  }
}

/** Says how the model's server is. It may be well again by the time that the deployment asks it, so nothing is stopped. */
async function tellOfModel(patient, options) {
  const { prefix, baseUrl } = patient;
  if (LOOPBACK.test(baseUrl)) {
    return say(`Note: ${prefix}_BASE_URL is on this machine, where no deployment can reach it.`);
  }
  const { key, from } = keyFor(patient, options);
  const how = key ? `the key of ${from}` : "no key, as a stored one cannot be read";
  const whose = prefix === "FALLBACK" ? "the fallbacks'" : "the model's";
  const findings = await step(`Asking ${whose} server, with ${how}`, () =>
    examine({ ...patient, key }),
  );
  for (const line of lines(findings)) say(line);
}

/** The key that the deployment gets, as far as this machine knows it: nobody can read a stored secret. */
function keyFor({ prefix, baseUrl }, { "secrets-file": file }) {
  const name = `${prefix}_API_KEY`;
  const given = file && secretsIn(file)[name];
  if (given) return { key: String(given).trim(), from: file };
  const { all } = devVars();
  const own = patientsIn(all).find((each) => each.prefix === prefix && each.baseUrl === baseUrl);
  return { key: own?.key, from: ".dev.vars" };
}

/** What is in a file of secrets, which is JSON or has the form of an `.env` file. */
function secretsIn(file) {
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Failure(`The secrets file cannot be read: ${error.message}`);
  }
  if (!text.trimStart().startsWith("{")) return variablesIn(text);
  try {
    return JSON.parse(text);
  } catch {
    // The parser's words have a piece of the file.
    throw new Failure("The secrets file begins like JSON, but is none.");
  }
}
