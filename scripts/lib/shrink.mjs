import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { modernNode } from "./node-modules.mjs";
import { BIN } from "./paths.mjs";
import { run } from "./process.mjs";

/** Exports of the bindings that this worker does not use: R2, images, containers, streams made in Rust. */
const UNUSED =
  /^(__wbg_(get_|set_)?)?(containerstartupoptions|minifyconfig|r2range|intounderlying)/;

/** What the runtime needs of the worker. */
const ENTRY = `export { default, Owner } from "./index.js";`;

/**
 * Removes what worker-build keeps, without a change to what the worker does: the names of functions, a tenth of the size;
 * unused exports with everything that only they need, 2 KB gzipped; the digest at the end of each name of an import or
 * export, 1.4 KB; and the classes for what is not exported any more, 0.8 KB. A panic still tells its file and line.
 *
 * @param {string} folder with index.js, not minified yet, and index_bg.wasm
 * @param {NodeJS.ProcessEnv} env
 */
export async function shrink(folder, env) {
  const [wasm, glue] = ["index_bg.wasm", "index.js"].map((name) => join(folder, name));
  const [text, graph] = ["index_bg.wat", "exports.json"].map((name) => join(folder, name));
  const tool = (name, args) => run(join(BIN, name), args, { env, quiet: true });

  // A module's text does not say which features it uses.
  const features = (await tool("wasm-opt", [wasm, "--print-features"]))
    .split(/\s+/)
    .filter(Boolean);
  writeFileSync(graph, JSON.stringify(graphOf(await exportsOf(wasm))));
  await tool("wasm-metadce", [wasm, "--graph-file", graph, "-S", "-o", text]);
  const module = readFileSync(text, "utf8");
  const names = shortNames(module);
  writeFileSync(text, sorted(renamedInModule(module, names)));
  // The first kilobyte of memory is the far end of the stack: no data lies there.
  const options = ["-Os", "--converge", "--low-memory-unused", "--skip-pass=reorder-functions"];
  const strip = ["--strip-debug", "--strip-producers", "--strip-target-features"];
  await tool("wasm-opt", [text, ...features, ...options, ...strip, "-o", wasm]);
  writeFileSync(glue, renamedInGlue(readFileSync(glue, "utf8"), names));
  await minify(folder, glue);
  for (const file of [text, graph]) rmSync(file);
}

/** What wasm-metadce has to keep: the exports that are used, and what they need. */
function graphOf(exports) {
  const roots = exports.filter((name) => !UNUSED.test(name)).map((name) => `export ${name}`);
  return [
    { name: "root", root: true, reaches: roots },
    ...exports.map((name) => ({ name: `export ${name}`, export: name })),
  ];
}

/** The names of a module's exports, by a Node that is recent enough to read it. @returns {Promise<string[]>} */
async function exportsOf(wasm) {
  const source = `
    const module = new WebAssembly.Module(require("fs").readFileSync(process.argv[1]));
    console.log(JSON.stringify(WebAssembly.Module.exports(module).map(({ name }) => name)));`;
  return JSON.parse(await run(modernNode(), ["--eval", source, wasm], { quiet: true }));
}

/** Where a module's text has the name of an import or an export. */
const IMPORT = /(?<=^ \(import "[^"]*" ")[^"]+(?=")/gm;
const EXPORT = /(?<=^ \(export ")[^"]+(?=")/gm;

/**
 * Names without what the bindings add to make them unique. They would be a quarter kilobyte smaller as single letters,
 * and then a stack trace or a test could not tell one from the other.
 */
function shortNames(module) {
  const shorten = (pattern) => {
    const short = new Map();
    const taken = new Set();
    for (const [name] of module.matchAll(pattern)) {
      const bare = name.replace(
        /^__wbg_(?=\w)|^wasm_bindgen__convert__closures_+|_+h?[0-9a-f]{16}$/g,
        "",
      );
      let unique = bare;
      for (let copy = 2; taken.has(unique); copy += 1) unique = `${bare}$${copy}`;
      taken.add(unique);
      short.set(name, unique);
    }
    return short;
  };
  return { imports: shorten(IMPORT), exports: shorten(EXPORT) };
}

function renamedInModule(module, { imports, exports }) {
  return module
    .replace(IMPORT, (name) => imports.get(name))
    .replace(EXPORT, (name) => exports.get(name));
}

/**
 * A module whose functions are ordered by their instructions. Those that are alike are then close to each other, and gzip
 * makes them 1.3 KB smaller.
 */
function sorted(module) {
  const end = module.lastIndexOf(")");
  const parts = module.slice(0, end).split(/^(?= \()/m);
  const isFunction = (part) => part.startsWith(" (func ");
  const functions = parts
    .filter(isFunction)
    .map((part) => [part.replace(/\$[^\s()]+/g, ""), part])
    .sort(([one], [other]) => (one < other ? -1 : Number(one > other)))
    .map(([, part]) => part);
  const ordered = parts.map((part) => (isFunction(part) ? functions.shift() : part));
  return ordered.join("") + module.slice(end);
}

/** Imports that the module has lost are left out. */
function renamedInGlue(glue, { imports, exports }) {
  return glue
    .replace(/^ {4}(__wb\w+): function\(.*\n(?: {5}.*\n)* {4}\},?\n/gm, (source, name) =>
      imports.has(name) ? source : "",
    )
    .replace(/(?<=^ {4})\w+(?=: )/gm, (name) => imports.get(name) ?? name)
    .replace(/(?<=\bwasm\.)\w+/g, (name) => exports.get(name) ?? name);
}

/**
 * Bundles and minifies the glue. Marks what has no side effects as pure, which the bindings do not, so that esbuild drops
 * what is unused.
 */
async function minify(folder, glue) {
  const source = readFileSync(glue, "utf8")
    .replace(/\bnew (?=(?:Proxy|FinalizationRegistry)\()/g, "/* @__PURE__ */ $&")
    .replace(/^if \(Symbol\.dispose\) \w+\.prototype\[Symbol\.dispose\] = .*\n/gm, "");
  writeFileSync(glue, source);
  // It comes with the node modules, which may not be installed when this file is loaded.
  const { build } = await import("esbuild");
  await build({
    stdin: { contents: ENTRY, resolveDir: folder },
    bundle: true,
    minify: true,
    format: "esm",
    external: ["./index_bg.wasm", "cloudflare:*"],
    outfile: glue,
    allowOverwrite: true,
    logLevel: "warning",
  });
}
