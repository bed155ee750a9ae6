/** The floor for code that sees the bytes in a Durable Object: each chunk is read and written there, and nothing kept. */
import { DurableObject } from "cloudflare:workers";
import { ask, pump, STREAM_HEADERS } from "./shared.mjs";

export default {
  fetch(request, { OWNERS }) {
    return OWNERS.getByName(request.headers.get("authorization")).fetch(request);
  },
};

export class Pump extends DurableObject {
  async fetch(request) {
    const upstream = await ask(this.env, await request.json(), request.headers);
    const { readable, writable } = new IdentityTransformStream();
    this.ctx.waitUntil(pump(upstream.body, writable));
    return new Response(readable, { headers: STREAM_HEADERS });
  }
}
