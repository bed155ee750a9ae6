import { ASSISTANT } from "../lib/assistant.mjs";
import { Failure, isStopping } from "../lib/process.mjs";
import { Workerd } from "../lib/workerd.mjs";

/** So short an answer every API may be asked for. */
const MAX_TOKENS = "16";

/** Lets anyone on this machine ask without a budget, and asks the usual server once, and no other. */
const OPEN = {
  ACCESS_TOKENS: "",
  REQUIRE_AUTH: "false",
  ALLOWED_HOSTS: "localhost",
  LOG_LEVEL: "",
  MAX_RETRIES: "0",
  MAX_STREAM_SECONDS: "60",
  FALLBACK_MODELS: "",
  FALLBACK_BASE_URL: "",
  FALLBACK_API_KEY: "",
  DAILY_TOKENS: "",
  MONTHLY_TOKENS: "",
  DAILY_COST: "",
  MONTHLY_COST: "",
  MAX_TOKENS,
  MAX_TOKENS_LIMIT: MAX_TOKENS,
};

/** Its answer has several tokens, so that a server that streams sends several pieces. */
const MESSAGE = "Count from 1 to 9.";

/**
 * Has one short answer streamed through the built worker, which is paid for.
 * @param {NodeJS.ProcessEnv} vars
 * @returns {Promise<import("../lib/doctor.mjs").Finding>}
 */
export async function ask(vars) {
  let cause;
  const hear = (line) => {
    cause ??= causeIn(line);
  };
  const runtime = new Workerd(
    { assistant: ASSISTANT },
    { env: { ...vars, ...OPEN }, onLine: hear },
  );
  let frame;
  try {
    const port = await runtime.listening();
    frame = await answerOf(`http://127.0.0.1:${port}/chat`);
  } catch (error) {
    if (error instanceof Failure || isStopping()) throw error;
    return { verdict: "bad", text: "Streaming: the answer broke off." };
  } finally {
    // With its end, all that it logs is read.
    await runtime.stop();
  }
  return frame.error ? failed(frame, cause) : streamed(frame);
}

/** @returns {Promise<object>} the frame that is an error, or the times of an answer */
async function answerOf(url) {
  const started = performance.now();
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ message: MESSAGE }),
  });
  if (!response.ok) return response.json();
  const pieces = [];
  for await (const frame of framesOf(response)) {
    const ms = Math.round(performance.now() - started);
    if (frame.error) return frame;
    if (frame.content) pieces.push(ms);
    if (frame.is_final) return { pieces, ms };
  }
  throw new Error("no final frame");
}

async function* framesOf(response) {
  let rest = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const events = (rest + text).split("\n\n");
    rest = events.pop();
    for (const event of events) {
      if (event.startsWith("data: ")) yield JSON.parse(event.slice("data: ".length));
    }
  }
}

function streamed({ pieces, ms }) {
  const [first] = pieces;
  if (pieces.length > 1) {
    return good(
      `Streaming works: its first words came after ${first} ms, its last after ${ms} ms.`,
    );
  }
  if (pieces.length === 1) {
    return good(`An answer came after ${ms} ms, in one piece: the server may not stream.`);
  }
  return good(
    `An answer ended after ${ms} ms, without text: a model that thinks first has no words within ${MAX_TOKENS} tokens.`,
  );
}

const good = (text) => ({ verdict: "good", text });

/**
 * The worker's own words have nothing of the server's. Of these, the log has names and numbers, free of secrets.
 */
function failed({ error, detail, code }, cause) {
  const reason = cause ? ` The log says: ${cause.replace(/\.$/, "")}.` : "";
  return { verdict: "bad", text: `Streaming: ${error} (${code}). ${detail}${reason}` };
}

/** @param {string} line of the log, unless the runtime prints one of its own */
function causeIn(line) {
  return line.startsWith("{") ? JSON.parse(line).cause : undefined;
}
