import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { hashOf } from "./hash.mjs";
import { kib, say } from "./main.mjs";
import { ROOT } from "./paths.mjs";
import { Failure } from "./process.mjs";

/**
 * Files directly in `public/` are published as they are. Modules and style sheets in its folders are bundled when a
 * page names them, and get a name with a digest of their content, so that browsers may cache them for ever.
 */
const SOURCE = join(ROOT, "public");
export const PUBLIC = join(ROOT, "build", "public");
const STAMP = join(ROOT, "build", ".pages-built-from");
const INPUTS = ["public", "package-lock.json", "scripts/lib/pages.mjs"];

/** Where a page names a module or a style sheet of ours. */
const NAMED = /(?<=\b(?:src|href)=")\/([^"]+\.(?:js|css))(?=")/g;

/** Bundles the pages into `build/public/`, unless they are up to date. */
export async function buildPages() {
  const inputs = hashOf(INPUTS);
  const done = existsSync(PUBLIC) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === inputs;
  if (!done) {
    rmSync(STAMP, { force: true });
    publish(await bundle());
    writeFileSync(STAMP, inputs);
  }
  const weights = pages().map((page) => `${address(page)} ${kib(pageWeight(page))}`);
  say(`build/public/: ${weights.join(", ")} gzipped${done ? " (up to date)" : ""}`);
}

/**
 * The size of what a browser loads for a page: its HTML and the files that it names, each gzipped.
 * @param {string} page the name of its file
 * @returns {number} bytes
 */
export function pageWeight(page) {
  const html = readFileSync(join(PUBLIC, page), "utf8");
  const files = Array.from(html.matchAll(NAMED), ([, path]) => readFileSync(join(PUBLIC, path)));
  return [html, ...files].reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0);
}

/**
 * Bundles what the pages name.
 * @returns {Promise<{ files: import("esbuild").OutputFile[], names: Map<string, string> }>} the bundles, and their
 *   addresses by those of their sources
 */
async function bundle() {
  // It comes with the node modules, which may not be installed when this file is loaded.
  const { build } = await import("esbuild");
  const entries = new Set(
    pages().flatMap((page) =>
      Array.from(readFileSync(join(SOURCE, page), "utf8").matchAll(NAMED), ([, path]) => path),
    ),
  );
  const { outputFiles, metafile } = await build({
    absWorkingDir: SOURCE,
    entryPoints: [...entries],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    target: ["chrome120", "firefox121", "safari17"],
    entryNames: "assets/[dir]-[hash]",
    assetNames: "assets/[name]-[hash]",
    publicPath: "/",
    // Licences of bundled libraries: a page that imports one gets its address.
    loader: { ".txt": "file" },
    legalComments: "linked",
    outbase: SOURCE,
    outdir: PUBLIC,
    logLevel: "error",
  }).catch((error) => {
    const { message } = error;
    throw new Failure("The pages could not be bundled; see above.", { output: message });
  });
  const outputs = Object.entries(metafile.outputs).filter(([, { entryPoint }]) => entryPoint);
  const names = outputs.map(([path, { entryPoint }]) => [
    `/${entryPoint}`,
    `/assets/${basename(path)}`,
  ]);
  return { files: outputFiles, names: new Map(names) };
}

function publish({ files, names }) {
  rmSync(PUBLIC, { recursive: true, force: true });
  for (const { name } of published()) cpSync(join(SOURCE, name), join(PUBLIC, name));
  for (const { path, contents } of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
  for (const page of pages()) {
    const html = readFileSync(join(SOURCE, page), "utf8");
    writeFileSync(
      join(PUBLIC, page),
      html.replace(NAMED, (path) => names.get(path)),
    );
  }
}

function published() {
  return readdirSync(SOURCE, { withFileTypes: true }).filter((entry) => entry.isFile());
}

function pages() {
  return published().flatMap(({ name }) => (name.endsWith(".html") ? name : []));
}

/** Where a page is served. */
function address(page) {
  return page === "index.html" ? "/" : `/${page.replace(/\.html$/, "")}`;
}
