/** What one writes first, and what most templates look like: decode, split lines, parse, enqueue a frame per event. */
import { ask, correlationId, STREAM_HEADERS } from "./shared.mjs";

export default {
  async fetch(request, env) {
    const upstream = await ask(env, await request.json(), request.headers);
    const frames = toFrames(correlationId(request.headers));
    const body = upstream.body.pipeThrough(new TransformStream({ transform: frames }));
    return new Response(body, { headers: STREAM_HEADERS });
  },
};

function toFrames(id) {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let rest = "";
  let sequence = 0;
  let finishReason;
  let usage;

  return (chunk, controller) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: ")) continue;
      const data = line.slice("data: ".length);
      if (data === "[DONE]") {
        send({
          content: "",
          sequence,
          is_final: true,
          correlation_id: id,
          finish_reason: finishReason,
          usage,
        });
        continue;
      }
      const event = JSON.parse(data);
      const choice = event.choices[0];
      if (choice?.delta.content) {
        send({ content: choice.delta.content, sequence, is_final: false, correlation_id: id });
      }
      finishReason = choice?.finish_reason ?? finishReason;
      if (event.usage) {
        const { prompt_tokens, completion_tokens, total_tokens } = event.usage;
        usage = { input_tokens: prompt_tokens, output_tokens: completion_tokens, total_tokens };
      }
    }

    function send(frame) {
      controller.enqueue(encoder.encode(`data: ${JSON.stringify(frame)}\n\n`));
      sequence += 1;
    }
  };
}
