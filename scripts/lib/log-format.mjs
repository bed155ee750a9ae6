import { readable } from "./log-lines.mjs";
import { Failure } from "./process.mjs";

/** What prints the worker's log lines, by the name of the format. */
export const PRINTERS = {
  json: (line) => console.log(line),
  text: (line) => console.log(readable(line, { color: isColorful() })),
};

/**
 * What prints the worker's log lines in the format that `LOG_FORMAT` of the environment names.
 * @param {"json" | "text"} otherwise the format where it names none
 * @returns {(line: string) => void}
 */
export function logPrinter(otherwise) {
  const format = process.env.LOG_FORMAT?.trim() || otherwise;
  if (Object.hasOwn(PRINTERS, format)) return PRINTERS[format];
  throw new Failure("LOG_FORMAT must be json or text. For example: LOG_FORMAT=json npm start");
}

/** Node knows what a terminal can show, and what NO_COLOR and FORCE_COLOR say of it. */
function isColorful() {
  return Boolean(process.stdout.isTTY && process.stdout.hasColors());
}
