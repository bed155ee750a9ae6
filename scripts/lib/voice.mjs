let stream = process.stdout;

/** Says in one line what is going on. */
export function say(line) {
  stream.write(`${line}\n`);
}

/** Where it is said. */
export function voice() {
  return stream;
}

/** Keeps standard output free of it. */
export function sayOnStderr() {
  stream = process.stderr;
}
