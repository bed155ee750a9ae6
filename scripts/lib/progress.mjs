import { voice } from "./voice.mjs";

const SECOND = 1000;
/** How often a long step prints a line where there is no terminal. */
const SIGN_OF_LIFE_S = 30;

/**
 * Does a step that may take long, and shows that it is still running: on a terminal the seconds count up behind the
 * step's name, elsewhere there is a line now and then.
 *
 * @template T
 * @param {string} what The step, and how long it usually takes.
 * @param {() => Promise<T>} work It prints nothing.
 * @param {NodeJS.WriteStream} [stream]
 * @returns {Promise<T>}
 */
export async function step(what, work, stream = voice()) {
  const end = stream.isTTY ? countSeconds(what, stream) : printSignsOfLife(what, stream);
  try {
    return await work();
  } finally {
    end();
  }
}

function countSeconds(what, stream) {
  let seconds = 0;
  const show = () => stream.write(`\r\x1b[K${fitting(`${what} … ${seconds} s`, stream.columns)}`);
  const endLine = () => stream.write(seconds === 0 ? `\r\x1b[K${what}\n` : "\n");
  const timer = setInterval(() => {
    seconds += 1;
    show();
  }, SECOND);
  stream.write(fitting(what, stream.columns));
  // After Ctrl-C, the shell's prompt begins on a line of its own.
  process.once("exit", endLine);
  return () => {
    clearInterval(timer);
    process.off("exit", endLine);
    endLine();
  };
}

function printSignsOfLife(what, stream) {
  let seconds = 0;
  stream.write(`${what}\n`);
  const timer = setInterval(() => {
    seconds += SIGN_OF_LIFE_S;
    stream.write(`  … still at it (${seconds} s)\n`);
  }, SIGN_OF_LIFE_S * SECOND);
  return () => clearInterval(timer);
}

/** A line that wraps cannot be overwritten, so one that is too long loses its beginning: the seconds are at its end. */
function fitting(line, columns) {
  // Some terminals do not report their width.
  const excess = line.length - ((columns || 80) - 1);
  return excess > 0 ? `…${line.slice(excess + 1)}` : line;
}
