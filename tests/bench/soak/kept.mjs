/**
 * Kept answers of the soak: readers leave and come back, upstreams fail, and in the last round the process is killed.
 * Nothing may be lost or doubled, and memory has to stay flat.
 */
import { launchWorker } from "../../support/harness.mjs";
import { launchKept } from "../../support/kept.mjs";
import { launchUpstream } from "../../support/upstream.mjs";
import { within } from "../../support/within.mjs";
import { KeptRound } from "./kept-round.mjs";

/** So many answers of one owner are open at once. */
const ANSWERS_OF_ONE = 4;

/** Longest time for a round, in milliseconds. */
const ROUND_MS = 180_000;

/** @type {[string, number, (figures: any) => unknown][]} */
const COLUMNS = [
  ["kept", 5, (each) => each.round],
  ["answers", 9, (each) => each.answers],
  ["at once", 9, (each) => each.atOnce],
  ["whole", 8, (each) => each.whole],
  ["failed", 8, (each) => each.failed],
  ["cut off", 9, (each) => each.cutOff],
  ["came back", 11, (each) => each.leaves],
  ["frames", 8, (each) => each.frames],
  ["duration", 10, (each) => `${(each.durationMs / 1000).toFixed(1)} s`],
  ["JS heap", 10, (each) => mebibytes(each.heapBytes)],
  ["RSS", 12, (each) => mebibytes(each.rssBytes)],
];

/**
 * @param {{ answers: number, rounds: number }} options
 * @param {ReturnType<typeof import('../../support/random.mjs').randomOf>} random
 * @returns {Promise<{ violations: string[], figures: import('./kept-round.mjs').KeptFigures[] }>} what was violated, and
 *   the figures of each round but the one in which the process was killed
 */
export async function soakKept({ answers, rounds }, random) {
  const owners = Math.ceil(answers / ANSWERS_OF_ONE);
  const tokens = Array.from({ length: owners }, (_, index) => `soak-token-of-owner-${index}`);
  let round;
  const upstream = await launchUpstream((call) => round.serve(call));
  const variables = {
    OPENAI_BASE_URL: upstream.url,
    ACCESS_TOKENS: tokens.map((token, index) => `owner${index}:${token}`).join(","),
    MAX_ANSWERS_AT_ONCE: String(ANSWERS_OF_ONE),
    TIMEOUT_SECONDS: "60",
    HEARTBEAT_SECONDS: "1",
  };
  const violations = [];
  const figures = [];
  const play = async (server, name, run) => {
    round = new KeptRound(server, tokens, `kept-${name}`, answers, random.below(2 ** 32));
    const done = await within(run(), `the end of round ${name} of kept answers`, ROUND_MS);
    console.log(row(([, , show]) => show({ ...done, round: name })));
    violations.push(...round.violations);
    return done;
  };
  console.log(row(([title]) => title));
  const server = await launchWorker(variables, { owners: true, inspectorPort: 0 });
  const mortal = await launchKept(variables);
  try {
    for (let number = 1; number <= rounds; number++) {
      figures.push(await play(server, String(number), () => round.run()));
    }
    await play(mortal, "kill", () => round.runWithKill());
  } catch (error) {
    violations.push(...(round?.violations ?? []), error.stack);
  }
  await server.stop();
  await mortal.stop();
  upstream.stop();
  return { violations, figures };
}

/** A line of the table. */
function row(cell) {
  return COLUMNS.map((column) => String(cell(column)).padStart(column[1])).join("");
}

function mebibytes(bytes) {
  return bytes ? `${(bytes / 1024 / 1024).toFixed(2)} MiB` : "?";
}
