/**
 * A module in front of the worker's own, which harms it on purpose: the next call from WebAssembly to JavaScript of
 * some name throws, or the next call into WebAssembly traps.
 *
 * It runs within the worker, so it uses nothing of Node.
 */

/** The source of the main module. */
export const HARMING = `
const calls = new Set();
let harmful;
let trap;
const Instance = WebAssembly.Instance;

const harmed = (functions) =>
  Object.fromEntries(
    Object.entries(functions).map(([name, value]) => {
      if (typeof value !== "function") return [name, value];
      return [name, (...args) => {
        calls.add(name);
        if (harmful === name) {
          harmful = undefined;
          throw new TypeError("harmed on purpose");
        }
        return value(...args);
      }];
    }),
  );

const trapping = (exports) =>
  Object.fromEntries(
    Object.entries(exports).map(([name, value]) => {
      if (!name.includes("closures")) return [name, value];
      return [name, (...args) => {
        if (trap) {
          trap = false;
          throw new WebAssembly.RuntimeError("unreachable");
        }
        return value(...args);
      }];
    }),
  );

WebAssembly.Instance = function (module, imports) {
  const outgoing = Object.entries(imports).map(([from, names]) => [from, harmed(names)]);
  const { exports } = new Instance(module, Object.fromEntries(outgoing));
  return { exports: trapping(exports) };
};

const { default: Worker } = await import("./index.js");

export default class extends Worker {
  fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    if (!pathname.startsWith("/harm")) return super.fetch(request);
    if (searchParams.has("throw")) harmful = searchParams.get("throw");
    if (searchParams.has("trap")) trap = true;
    return Response.json([...calls].sort());
  }
}
`;

/** Imports that were called so far. @returns {Promise<string[]>} */
export async function importsOf(app) {
  return (await fetch(`${app.url}/harm`)).json();
}

/** Has the next call of an import throw. @param {string} name */
export async function harmImport(app, name) {
  await (await fetch(`${app.url}/harm?throw=${name}`)).text();
}

/** Has the next call into WebAssembly trap. */
export async function harmInstance(app) {
  await (await fetch(`${app.url}/harm?trap`)).text();
}
