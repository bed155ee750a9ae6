/** The floor for code that sees the bytes: each chunk is read and written, and nothing is done with it. */
import { ask, pump, STREAM_HEADERS } from "./shared.mjs";

export default {
  async fetch(request, env, context) {
    const upstream = await ask(env, await request.json(), request.headers);
    const { readable, writable } = new IdentityTransformStream();
    context.waitUntil(pump(upstream.body, writable));
    return new Response(readable, { headers: STREAM_HEADERS });
  },
};
