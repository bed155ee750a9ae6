import { readable } from "./log-lines.mjs";
import { Failure } from "./process.mjs";

/** Printers of the worker's log lines, by the name of the format. */
export const PRINTERS = {
  json: (line) => console.log(line),
  text: (line) => console.log(readable(line, { color: isColorful() })),
};

/**
 * The printer for the format that the environment's `LOG_FORMAT` names.
 * @param {"json" | "text"} usual the format when `LOG_FORMAT` is unset
 * @returns {(line: string) => void}
 */
export function logPrinter(usual) {
  const format = process.env.LOG_FORMAT?.trim() || usual;
  if (Object.hasOwn(PRINTERS, format)) return PRINTERS[format];
  throw new Failure("LOG_FORMAT must be json or text. For example: LOG_FORMAT=json npm start");
}

/** Whether to print colours. Node knows the terminal, NO_COLOR and FORCE_COLOR. */
function isColorful() {
  return Boolean(process.stdout.isTTY && process.stdout.hasColors());
}
