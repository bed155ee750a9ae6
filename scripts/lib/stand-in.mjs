const ANSWER =
  "Hello! 👋 I am not a language model: I am a stand-in that gives every message this same answer, " +
  "one word at a time, so that you can watch it stream. “Nothing you type leaves this machine.” " +
  'To talk to a real model, copy .dev.vars.example to .dev.vars, put your key after "OPENAI_API_KEY=", ' +
  "and run npm start again. 🚀";

/**
 * Starts a local server that speaks the OpenAI API and gives every request the same answer.
 * @returns {Promise<string>} its base URL
 */
export async function startStandIn() {
  const { LLMock } = await import("@copilotkit/aimock");
  const words = ANSWER.match(/\s*\S+/g) ?? [];
  const server = new LLMock({ host: "127.0.0.1", port: 0, chunkSize: ANSWER.length });
  server.on(
    { endpoint: "chat", predicate: () => true },
    // A block for each word: aimock would cut plain text between any two UTF-16 units, even within an emoji.
    { content: ANSWER, toolCalls: [], blocks: words.map((text) => ({ type: "text", text })) },
    { streamingProfile: { ttft: 300, tps: 15, jitter: 0.3 } },
  );
  return `${await server.start()}/v1`;
}
