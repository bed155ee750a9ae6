/** Tells how long it took to bring the worker's modules to life, which happens when they are first imported. */
export default {
  async fetch() {
    const started = performance.now();
    await import("./index.js");
    return new Response(`${performance.now() - started}`);
  },
};
