/**
 * Kept answers the way of npm's package `agents`: each token is appended to its durable stream, which wakes the reader,
 * and a finished answer is cut over to a row of its own. The frames are those of this worker's API.
 */

import { DurableObject } from "cloudflare:workers";
import { Lifecycle } from "agents/lifecycle";
import { Streams } from "agents/streams";
import { ask, correlationId, STREAM_HEADERS } from "./shared.mjs";

export default {
  fetch(request, { ACCESS_TOKENS, OWNERS }) {
    const token = request.headers.get("authorization")?.slice("Bearer ".length);
    const owner = ACCESS_TOKENS.split(",").find((each) => each.endsWith(`:${token}`));
    if (!owner) return new Response(null, { status: 401 });
    return OWNERS.getByName(owner.split(":")[0]).fetch(request);
  },
};

export class Keeper extends DurableObject {
  streams = new Streams();
  lifecycle = Lifecycle.install(this).use(this.streams);

  constructor(context, env) {
    super(context, env);
    this.ctx.storage.sql.exec(
      "CREATE TABLE IF NOT EXISTS turns (id TEXT PRIMARY KEY, conversation TEXT, message TEXT, answer TEXT)",
    );
  }

  async onRequest(request) {
    const { message, conversation_id: conversation } = await request.json();
    const answerId = request.headers.get("idempotency-key") ?? crypto.randomUUID();
    const upstream = await ask(this.env, { message }, request.headers);
    const stream = await this.streams.open(answerId);
    const turn = { id: crypto.randomUUID(), conversation, message };
    this.ctx.waitUntil(this.#produce(upstream.body, stream, turn));
    const { readable, writable } = new IdentityTransformStream();
    const reading = this.#read(answerId, correlationId(request.headers), turn, writable);
    this.ctx.waitUntil(reading.then(() => this.streams.delete(answerId)));
    return new Response(readable, { headers: STREAM_HEADERS });
  }

  /** Upstream's events → chunks of the stream. */
  async #produce(body, stream, turn) {
    const decoder = new TextDecoder();
    let rest = "";
    let answer = "";
    let finish_reason;
    let usage;
    for await (const chunk of body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data: ") || line === "data: [DONE]") continue;
        const event = JSON.parse(line.slice("data: ".length));
        const choice = event.choices[0];
        if (choice?.delta.content) {
          answer += choice.delta.content;
          stream.append({ content: choice.delta.content });
        }
        finish_reason = choice?.finish_reason ?? finish_reason;
        if (event.usage) {
          const { prompt_tokens, completion_tokens, total_tokens } = event.usage;
          usage = { input_tokens: prompt_tokens, output_tokens: completion_tokens, total_tokens };
        }
      }
    }
    stream.append({ finish_reason, usage });
    const { id, conversation, message } = turn;
    const commit = () =>
      this.ctx.storage.sql.exec(
        "INSERT INTO turns VALUES (?, ?, ?, ?)",
        id,
        conversation,
        message,
        answer,
      );
    stream.close({ commit });
  }

  /** The stream's chunks → frames, as they come. */
  async #read(answerId, id, turn, writable) {
    const encoder = new TextEncoder();
    const writer = writable.getWriter();
    for await (const batch of this.streams.readBatches(answerId)) {
      const frames = batch.map(({ seq, chunk: { content, ...ending } }) => {
        const kept = { turn_id: turn.id, history_turns: 0 };
        const frame =
          content === undefined
            ? { content: "", sequence: seq, is_final: true, correlation_id: id, ...ending, ...kept }
            : { content, sequence: seq, is_final: false, correlation_id: id };
        return `id: ${answerId}.${seq}\ndata: ${JSON.stringify(frame)}\n\n`;
      });
      await writer.write(encoder.encode(frames.join("")));
    }
    await writer.close();
  }
}
