/**
 * A module in front of the worker's own, which counts how often WebAssembly calls JavaScript and is called by it. The
 * counts are the same on every machine, however busy: what costs time shows in them before it shows on a clock.
 *
 * It runs within the worker, so it uses nothing of Node.
 */

/** Where the counts are asked for. */
export const COUNTS_PATH = "/counts";

/** The source that counts, to stand in front of what imports the worker. */
export const COUNT = `
const counts = {};
const Instance = WebAssembly.Instance;

/** Of several with one name, all but the first have a number behind it. */
const bare = (name) => name.replace(/[$][0-9]+$/, "");

const counted = (kind, functions) =>
  Object.fromEntries(
    Object.entries(functions).map(([name, value]) => {
      if (typeof value !== "function") return [name, value];
      const key = kind + " " + bare(name);
      return [name, (...args) => {
        counts[key] = (counts[key] ?? 0) + 1;
        return value(...args);
      }];
    }),
  );

WebAssembly.Instance = function (module, imports) {
  const outgoing = Object.entries(imports).map(([from, names]) => [from, counted("out", names)]);
  const { exports } = new Instance(module, Object.fromEntries(outgoing));
  return { exports: counted("in", exports) };
};

`;

/** The source of the main module. */
export const COUNTING = `${COUNT}
const { default: Worker } = await import("./index.js");

export default class extends Worker {
  fetch(request) {
    return new URL(request.url).pathname === "${COUNTS_PATH}"
      ? Response.json(counts)
      : super.fetch(request);
  }
}
`;
