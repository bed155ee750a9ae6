import { readFileSync } from "node:fs";
import { parseArgs, parseEnv } from "node:util";
import { problemsWith } from "./lib/assistant.mjs";
import { build } from "./lib/build.mjs";
import { main, say } from "./lib/main.mjs";
import { Failure, run } from "./lib/process.mjs";
import { VARIABLES } from "./lib/variables.mjs";
import { ensureLoggedIn, wrangler, wranglerOutput } from "./lib/wrangler.mjs";
import { wranglerVars } from "./lib/wrangler-toml.mjs";

/** What each secret is, for somebody who is asked for it. */
const SECRETS = {
  OPENAI_API_KEY: "the key that is sent to the model server",
  ACCESS_TOKENS: "who may chat: me:TOKEN, with a TOKEN from 'openssl rand -hex 32'",
};

await main(() => deploy(process.argv.slice(2)));

/** @param {string[]} args those of `wrangler deploy` */
async function deploy(args) {
  const options = optionsIn(args);
  await build();
  const needed = await ensureValid(wranglerVars(options));
  if (!options["dry-run"]) {
    await ensureLoggedIn();
    await ensureSecrets(needed, options);
  }
  const [program, programArgs, env] = wrangler(["deploy", ...args]);
  await run(program, programArgs, { env, asks: true, name: "wrangler deploy" });
  if (options["dry-run"]) {
    say(`Nothing was deployed. A deployment will want these secrets: ${needed.join(", ")}.`);
  }
}

/** Those that say what is deployed, and where to. */
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
 * Asks the built worker what it makes of the variables.
 * @param {Record<string, string>} vars
 * @returns {Promise<string[]>} the secrets that it needs besides
 */
async function ensureValid(vars) {
  const told = Object.keys(SECRETS).filter((name) => name in vars);
  if (told.length > 0) {
    throw new Failure(
      `${told.join(" and ")} must not stand in wrangler.toml, which is no place for secrets. Take it out, and set it ` +
        `with 'npx wrangler secret put ${told[0]}'. If the file was ever shared, replace the secret too.`,
    );
  }
  for (const name of Object.keys(vars).filter((name) => !VARIABLES.includes(name))) {
    say(`Note: [vars] of wrangler.toml has ${name}, which the worker does not know.`);
  }
  const problems = await problemsWith(vars);
  const needed = Object.keys(SECRETS).filter((name) =>
    problems.some((problem) => problem.startsWith(`${name} is required`)),
  );
  const wrong = problems.filter((problem) => !needed.some((name) => problem.startsWith(name)));
  if (wrong.length > 0) {
    throw new Failure(
      `[vars] of wrangler.toml would not work. Nothing was deployed.\n\n  ${wrong.join("\n  ")}`,
    );
  }
  say("Configuration: the worker accepts it");
  return needed;
}

/** Makes sure that the deployment has its secrets already, or gets them now. */
async function ensureSecrets(needed, { config, env, name, "secrets-file": file }) {
  const target = Object.entries({ config, env, name }).flatMap(([option, value]) =>
    value ? [`--${option}`, value] : [],
  );
  const given = file ? namesIn(file) : [];
  const wanted = needed.filter((each) => !given.includes(each));
  if (wanted.length === 0) return;
  const stored = await secretsOf(target);
  const missing = wanted.filter((each) => !stored?.includes(each));
  if (missing.length === 0) return;
  const commands = missing.map(
    (each) =>
      `  npx wrangler ${["secret", "put", each, ...target].join(" ")}    # ${SECRETS[each]}`,
  );
  const what = stored
    ? "The deployment lacks what only you can give it."
    : "There is no deployment yet. It begins with its secrets, for which wrangler offers to create the worker.";
  throw new Failure(`${what} Run this, and then deploy again:\n\n${commands.join("\n")}`);
}

/** @returns {Promise<string[] | undefined>} nothing when there is no such worker yet */
async function secretsOf(target) {
  try {
    const list = await wranglerOutput(["secret", "list", "--format", "json", ...target]);
    return JSON.parse(list).map(({ name }) => name);
  } catch (error) {
    if (error instanceof Failure && /^.*\bWorker "[^"]*".* not found\./m.test(error.message))
      return undefined;
    throw error;
  }
}

/** The names in a file of secrets, which is JSON or as `.env` files are. */
function namesIn(file) {
  let text;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new Failure(`The file of secrets cannot be read: ${error.message}`);
  }
  return Object.keys(text.trimStart().startsWith("{") ? JSON.parse(text) : parseEnv(text));
}
