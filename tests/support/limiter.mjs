/** Rate limiters for a worker: each is a part of the options of `startWorker`. */

const NAME = "CHAT_RATE_LIMITER";

/** The runtime's own limiter, which counts by minutes of the real clock. */
export function limitedTo(limit, period = 60) {
  const binding = { type: "rate-limit", namespace: "1001", simple: { limit, period } };
  return { env: { [NAME]: binding } };
}

/**
 * A limiter that answers as a test wants, and logs who is counted: `{"event":"limit_asked","key":…}`.
 *
 * @param {string} answer The rest of its method, in JavaScript.
 */
export function limiterStub(answer) {
  const source = `
    import { WorkerEntrypoint } from "cloudflare:workers";
    export default class extends WorkerEntrypoint {
      limit({ key }) {
        console.log(JSON.stringify({ event: "limit_asked", key }));
        ${answer}
      }
    }`;
  const stub = {
    config: {
      name: "limiter",
      compatibilityDate: "2026-11-17",
      manifest: {
        mainModule: "limiter.js",
        modules: { "limiter.js": { type: "esm", contents: source } },
      },
    },
  };
  return { env: { [NAME]: { type: "worker", worker: "limiter" } }, workers: [stub] };
}
