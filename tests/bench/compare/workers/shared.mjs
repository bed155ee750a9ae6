/** What the JavaScript contestants have in common: the question to upstream, and a pump. */

export const STREAM_HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache, no-transform",
  "x-accel-buffering": "no",
};

export function ask(env, { message }, headers) {
  return fetch(`${env.OPENAI_BASE_URL}/chat/completions`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${env.OPENAI_API_KEY}`,
      "content-type": "application/json",
      "x-client-request-id": correlationId(headers),
    },
    body: JSON.stringify({
      model: "gpt-4",
      messages: [
        { role: "system", content: "You are a helpful assistant." },
        { role: "user", content: message },
      ],
      max_tokens: 2000,
      stream: true,
      stream_options: { include_usage: true },
    }),
  });
}

export function correlationId(headers) {
  return headers.get("x-correlation-id") ?? crypto.randomUUID();
}

/** Reads each chunk, writes it, and does nothing else. */
export async function pump(readable, writable) {
  const reader = readable.getReader();
  const writer = writable.getWriter();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    await writer.write(value);
  }
  await writer.close();
}
