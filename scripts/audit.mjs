import { main, say } from "./lib/main.mjs";
import { PATH_OUTSIDE } from "./lib/paths.mjs";
import { Failure, run } from "./lib/process.mjs";
import { ensureCargo } from "./lib/rust.mjs";
import { cargoTool } from "./lib/tools.mjs";

const CARGO_DENY = "0.20.2";
/** How long a database may take before it counts as unreachable. */
const PATIENCE_MS = 120_000;

await main(async () => {
  await ensureCargo();
  const deny = await cargoTool("cargo-deny", "cargo-deny", CARGO_DENY);

  say("\n── crates: licences, sources and versions, by deny.toml");
  await run(deny, ["--locked", "check", "licenses", "sources", "bans"]);

  const unchecked = [];
  for (const [name, check] of [
    ["known vulnerabilities of crates (RustSec)", () => crateAdvisories(deny)],
    ["known vulnerabilities of npm packages", npmAdvisories],
  ]) {
    say(`\n── ${name}`);
    const reached = await check();
    if (!reached) {
      unchecked.push(name);
      say("NOT CHECKED: the database cannot be reached from here.");
    }
  }
  const rest = unchecked.length === 0 ? "" : ` NOT CHECKED: ${unchecked.join("; ")}.`;
  say(`\nPASSED: everything that could be checked.${rest}`);
});

/** @returns {Promise<boolean>} whether the database could be reached */
async function crateAdvisories(deny) {
  try {
    const env = { GIT_TERMINAL_PROMPT: "0" };
    await run(deny, ["--locked", "fetch", "db"], { env, quiet: true, timeoutMs: PATIENCE_MS });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return false;
  }
  await run(deny, ["--locked", "check", "--disable-fetch", "advisories"]);
  return true;
}

/** @returns {Promise<boolean>} whether the database could be reached */
async function npmAdvisories() {
  const args = ["audit", "--json", "--loglevel=silent"];
  const options = { env: { PATH: PATH_OUTSIDE }, quiet: true, timeoutMs: PATIENCE_MS };
  const report = await run("npm", args, options).catch((error) => reportIn(error));
  const { metadata, vulnerabilities } = JSON.parse(report || "{}");
  if (metadata === undefined) return false;
  if (metadata.vulnerabilities.total === 0) {
    say("none");
    return true;
  }
  const found = Object.values(vulnerabilities).map(
    ({ name, severity, range }) => `  ${name} ${range}: ${severity}`,
  );
  throw new Failure(`${found.join("\n")}\n'npm audit' says what to do.`);
}

/** npm exits with 1 when it finds a vulnerability, and when it cannot reach the database: then it prints no report. */
function reportIn(error) {
  if (!(error instanceof Failure)) throw error;
  return error.output.match(/^\{.*^\}/ms)?.[0];
}
