import { parseEnv } from "node:util";

/** A line that sets a variable to nothing but white space. */
const BLANK = /^(\s*(?:export\s+)?[\w.-]+[ \t]*=)[ \t]+(?=\r?$)/gm;

/**
 * The variables in the text of an `.env` file.
 * @param {string} text
 * @returns {Record<string, string>}
 */
export function variablesIn(text) {
  // Node 26 would take the line after a blank value for the value: a key, say.
  return parseEnv(text.replace(BLANK, "$1"));
}
