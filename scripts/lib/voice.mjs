/** What these scripts say fits a terminal of the usual width. */
const COLUMNS = 80;

let stream = process.stdout;

/**
 * Tells a person what is going on.
 * @param {string} text its lines are wrapped
 */
export function say(text) {
  stream.write(`${wrapped(text)}\n`);
}

/** The stream that {@link say} writes to. */
export function voice() {
  return stream;
}

/** Leaves standard output to the script's results. */
export function sayOnStderr() {
  stream = process.stderr;
}

/**
 * Wraps lines between words. Indented lines are addresses and commands, which have to stay whole to be copied.
 * @param {string} text
 */
export function wrapped(text) {
  return text
    .split("\n")
    .map((line) => (line.startsWith(" ") ? line : wrappedLine(line)))
    .join("\n");
}

/**
 * Items one below the other, indented and wrapped.
 * @param {string[]} items
 */
export function list(items) {
  return items.map((item) => wrappedLine(item, "  ")).join("\n");
}

function wrappedLine(line, indent = "") {
  const lines = [indent];
  for (const word of line.split(" ")) {
    const last = lines.at(-1);
    const longer = last === indent ? `${last}${word}` : `${last} ${word}`;
    if (longer.length <= COLUMNS || last === indent) lines[lines.length - 1] = longer;
    else lines.push(`${indent}${word}`);
  }
  return lines.join("\n");
}
