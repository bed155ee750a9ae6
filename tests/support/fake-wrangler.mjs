/**
 * Stands in for wrangler: `FAKE_WRANGLER` has what it answers by the beginning of its arguments, and the file
 * `FAKE_WRANGLER_CALLS` gets a line for each call.
 */
import { appendFileSync } from "node:fs";

const called = process.argv.slice(2).join(" ");
appendFileSync(process.env.FAKE_WRANGLER_CALLS, `${called}\n`);
const answers = Object.entries(JSON.parse(process.env.FAKE_WRANGLER));
const [, { out = "", error = "", code = 0 }] = answers.find(([begin]) => called.startsWith(begin));
process.stdout.write(out);
process.stderr.write(error);
process.exitCode = code;
