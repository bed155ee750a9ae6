const ANSWER =
  "Hello! 👋 I am not a language model: I am a stand-in that gives every message this same answer, " +
  "one word at a time, so that you can watch it stream. “Nothing you type leaves this machine.” " +
  'To talk to a real model, copy .dev.vars.example to .dev.vars, put your key after "OPENAI_API_KEY=", ' +
  "and run npm start again. 🚀";

/**
 * Starts a server on this machine that speaks the OpenAI API and has one answer.
 * @returns {Promise<string>} its base URL
 */
export async function startStandIn() {
  const { LLMock } = await import("@copilotkit/aimock");
  const words = ANSWER.match(/\s*\S+/g) ?? [];
  const server = new LLMock({ host: "127.0.0.1", port: 0, chunkSize: ANSWER.length });
  server.on(
    { endpoint: "chat", predicate: () => true },
    // A block for each word: text without blocks is cut at any UTF-16 unit, through an emoji too.
    { content: ANSWER, toolCalls: [], blocks: words.map((text) => ({ type: "text", text })) },
    { streamingProfile: { ttft: 300, tps: 15, jitter: 0.3 } },
  );
  return `${await server.start()}/v1`;
}
