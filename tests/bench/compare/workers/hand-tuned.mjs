/** What one writes after measuring: a pump with one write for each read, and strings made once. */
import { ask, correlationId, STREAM_HEADERS } from "./shared.mjs";

export default {
  async fetch(request, env, context) {
    const upstream = await ask(env, await request.json(), request.headers);
    const { readable, writable } = new IdentityTransformStream();
    const frames = new Frames(correlationId(request.headers));
    context.waitUntil(pump(upstream.body.getReader(), frames, writable.getWriter()));
    return new Response(readable, { headers: STREAM_HEADERS });
  },
};

const encoder = new TextEncoder();

async function pump(reader, frames, writer) {
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const text = frames.of(decoder.decode(value, { stream: true }));
    if (text !== "") await writer.write(encoder.encode(text));
  }
  await writer.close();
}

class Frames {
  #id;
  #tail;
  #rest = "";
  #sequence = 0;
  #finishReason;
  #usage;

  constructor(id) {
    this.#id = id;
    this.#tail = `,"is_final":false,"correlation_id":"${id}"}\n\n`;
  }

  of(text) {
    const input = this.#rest + text;
    let out = "";
    let from = 0;
    for (let end = input.indexOf("\n\n"); end >= 0; end = input.indexOf("\n\n", from)) {
      out += this.#frame(input.slice(from + "data: ".length, end));
      from = end + 2;
    }
    this.#rest = input.slice(from);
    return out;
  }

  #frame(data) {
    if (data === "[DONE]") {
      return `data: {"content":"","sequence":${this.#sequence},"is_final":true,"correlation_id":"${this.#id}","finish_reason":"${this.#finishReason}","usage":${JSON.stringify(this.#usage)}}\n\n`;
    }
    const { choices, usage } = JSON.parse(data);
    const choice = choices[0];
    if (usage) {
      const { prompt_tokens, completion_tokens, total_tokens } = usage;
      this.#usage = { input_tokens: prompt_tokens, output_tokens: completion_tokens, total_tokens };
    }
    if (choice?.finish_reason) this.#finishReason = choice.finish_reason;
    const content = choice?.delta.content;
    if (!content) return "";
    return `data: {"content":${JSON.stringify(content)},"sequence":${this.#sequence++}${this.#tail}`;
  }
}
