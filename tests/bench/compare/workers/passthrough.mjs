/** The limit: upstream's body is the answer's body, and no code of the worker sees a byte of it. */
import { ask, STREAM_HEADERS } from "./shared.mjs";

export default {
  async fetch(request, env) {
    const upstream = await ask(env, await request.json(), request.headers);
    return new Response(upstream.body, { headers: STREAM_HEADERS });
  },
};
