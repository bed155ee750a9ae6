import { ASSISTANT } from "../lib/assistant.mjs";
import { Workerd } from "../lib/workerd.mjs";

/** Enough for the shortest answer that every API may be asked for. */
const MAX_TOKENS = 16;

/** Lets anyone on this machine ask, and asks once, and nobody but the usual server. */
const OPEN = {
  ACCESS_TOKENS: "",
  REQUIRE_AUTH: "false",
  ALLOWED_HOSTS: "localhost",
  MAX_RETRIES: "0",
  MAX_STREAM_SECONDS: "60",
  FALLBACK_MODELS: "",
  FALLBACK_BASE_URL: "",
  FALLBACK_API_KEY: "",
};

/**
 * Has one short answer streamed through the built worker, which is paid for.
 * @param {NodeJS.ProcessEnv} vars
 * @returns {Promise<import("../lib/doctor.mjs").Finding>}
 */
export async function ask(vars) {
  const runtime = new Workerd(
    { assistant: ASSISTANT },
    { env: { ...vars, ...OPEN }, onLine: () => {} },
  );
  try {
    const port = await runtime.listening();
    const started = performance.now();
    const response = await fetch(`http://127.0.0.1:${port}/chat`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ message: "Say OK.", max_tokens: MAX_TOKENS }),
    });
    const took = () => `${Math.round(performance.now() - started)} ms`;
    if (!response.ok) return failed(await response.json());
    return await streamed(response, took);
  } finally {
    await runtime.stop();
  }
}

/** @param {Response} response @param {() => string} took */
async function streamed(response, took) {
  let first;
  for await (const frame of framesOf(response)) {
    if (frame.error) return failed(frame);
    if (frame.content) first ??= took();
    if (!frame.is_final) continue;
    const text = first ? `its first words came after ${first}` : "it had no text";
    return { verdict: "good", text: `Streaming works: an answer ended after ${took()}; ${text}.` };
  }
  return { verdict: "bad", text: "Streaming: the answer broke off." };
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

/** The worker's own words, which have nothing of the server's. */
function failed({ error, detail, code }) {
  return { verdict: "bad", text: `Streaming: ${error} (${code}). ${detail}` };
}
