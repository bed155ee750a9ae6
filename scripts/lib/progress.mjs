import { voice } from "./voice.mjs";

const SECOND = 1000;
/** How often a step that takes long is heard of where its line cannot be written anew. */
const SIGN_OF_LIFE_S = 30;

/**
 * Does a step that may take long, and shows that it goes on: a terminal counts the seconds behind the step's line,
 * anything else gets a line now and then.
 *
 * @template T
 * @param {string} what What is done, and how long that usually takes.
 * @param {() => Promise<T>} work It prints nothing.
 * @param {NodeJS.WriteStream} [stream]
 * @returns {Promise<T>}
 */
export async function step(what, work, stream = voice()) {
  const end = stream.isTTY ? countOnTerminal(what, stream) : tellNowAndThen(what, stream);
  try {
    return await work();
  } finally {
    end();
  }
}

function countOnTerminal(what, stream) {
  let seconds = 0;
  const show = () => stream.write(`\r\x1b[K${fitting(`${what} … ${seconds} s`, stream.columns)}`);
  const endLine = () => stream.write(seconds === 0 ? `\r\x1b[K${what}\n` : "\n");
  const timer = setInterval(() => {
    seconds += 1;
    show();
  }, SECOND);
  stream.write(fitting(what, stream.columns));
  // What the shell says after Ctrl-C begins on a line of its own.
  process.once("exit", endLine);
  return () => {
    clearInterval(timer);
    process.off("exit", endLine);
    endLine();
  };
}

function tellNowAndThen(what, stream) {
  let seconds = 0;
  stream.write(`${what}\n`);
  const timer = setInterval(() => {
    seconds += SIGN_OF_LIFE_S;
    stream.write(`  … still at it (${seconds} s)\n`);
  }, SIGN_OF_LIFE_S * SECOND);
  return () => clearInterval(timer);
}

/** A line that wraps could not be written anew: of one that is too long, the end is kept, where the seconds are. */
function fitting(line, columns) {
  // A terminal may not tell how wide it is.
  const excess = line.length - ((columns || 80) - 1);
  return excess > 0 ? `…${line.slice(excess + 1)}` : line;
}
