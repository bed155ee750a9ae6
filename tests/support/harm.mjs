/**
 * A module in front of the worker's own, which harms it on purpose: the next call from WebAssembly to JavaScript of
 * some name throws, or the next call into WebAssembly traps.
 *
 * It runs within the worker, so it uses nothing of Node.
 */

/** The source of the main module. */
export const HARMING = `
const calls = new Set();
let harmful = [];
let spared = 0;
let trap;
const Instance = WebAssembly.Instance;

const harmed = (functions) =>
  Object.fromEntries(
    Object.entries(functions).map(([name, value]) => {
      if (typeof value !== "function") return [name, value];
      return [name, (...args) => {
        calls.add(name);
        if (harmful.includes(name) && spared-- <= 0) {
          harmful = harmful.filter((each) => each !== name);
          throw new TypeError("harmed on purpose");
        }
        return value(...args);
      }];
    }),
  );

const trapping = (exports) =>
  Object.fromEntries(
    Object.entries(exports).map(([name, value]) => {
      if (!name.startsWith("invoke")) return [name, value];
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
    if (searchParams.has("spare")) harmful = [];
    spared = Number(searchParams.get("spare"));
    harmful.push(...searchParams.getAll("throw"));
    if (searchParams.has("trap")) trap = true;
    const told = { calls: [...calls].sort(), harmful };
    if (searchParams.has("forget")) calls.clear();
    return Response.json(told);
  }
}
`;

/**
 * Imports that were called since this was last asked, and those that were harmed and not called since.
 * @returns {Promise<{ calls: string[], harmful: string[] }>}
 */
export async function importsOf(app) {
  return (await fetch(`${app.url}/harm?forget`)).json();
}

/** Has the next call of each of these imports throw. @param {...string} names */
export async function harmImports(app, ...names) {
  const query = names.map((name) => `throw=${name}`).join("&");
  await (await fetch(`${app.url}/harm?${query}`)).text();
}

/** Has one call of an import throw, behind as many as are spared, and no other import. */
export async function harmImportLater(app, name, spared) {
  await (await fetch(`${app.url}/harm?throw=${name}&spare=${spared}`)).text();
}

/** Takes back what has not been called since. */
export async function harmNothing(app) {
  await (await fetch(`${app.url}/harm?spare=0`)).text();
}

/** Has the next call into WebAssembly trap. */
export async function harmInstance(app) {
  await (await fetch(`${app.url}/harm?trap`)).text();
}
