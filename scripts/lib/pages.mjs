import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
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
const INPUTS = [
  "public",
  "package-lock.json",
  "scripts/lib/pages.mjs",
  "scripts/lib/reference",
  "scripts/lib/service-worker.mjs",
];

/** Where a page names a module or a style sheet of ours. */
const NAMED = /(?<=\b(?:src|href)=")\/([^"]+\.(?:js|css))(?=")/g;

/**
 * What the page loads later, and needs offline: conversations that this browser keeps are shown, searched and exported
 * there, too, and a new version is taken once there is one.
 */
const LATER = [
  "chat/keep/here.js",
  "chat/account/model-list.js",
  "chat/account/settings-dialog.js",
  "chat/offline/register.js",
  "chat/sidebar/download.js",
  "chat/sidebar/search-parts.js",
  "chat/sidebar/swipe.js",
];

/** How all that runs in a browser is built. */
const BROWSER = {
  absWorkingDir: SOURCE,
  bundle: true,
  minify: true,
  write: false,
  target: ["chrome120", "firefox121", "safari17"],
  logLevel: "error",
};

/** Keeps one format of each font of KaTeX: the one that every browser of today reads. */
const oneFontFormat = {
  name: "one-font-format",
  setup({ onLoad }) {
    onLoad({ filter: /katex[^/]*\.css$/ }, ({ path }) => {
      const others = /,\s*url\([^)]+\.(?:woff|ttf)\) format\("\w+"\)/g;
      return { contents: readFileSync(path, "utf8").replaceAll(others, ""), loader: "css" };
    });
  },
};

/**
 * Makes a standard module of what colours code. What esbuild needs for another kind would be loaded with every page, even
 * before there is any code.
 */
const oneModuleFormat = {
  name: "one-module-format",
  setup({ onLoad }) {
    onLoad({ filter: /highlight\.js\/lib\/core\.js$/ }, ({ path }) => {
      const source = readFileSync(path, "utf8");
      return { contents: source.replace(/^module\.exports = /m, "export default ") };
    });
  },
};

/** Bundles the pages into `build/public/`, unless they are up to date. */
export async function buildPages() {
  const inputs = hashOf(INPUTS);
  const done = existsSync(PUBLIC) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === inputs;
  if (!done) {
    rmSync(STAMP, { force: true });
    const bundles = await bundle();
    rmSync(PUBLIC, { recursive: true, force: true });
    await publish(bundles);
    await publishServiceWorker(bundles);
    writeFileSync(STAMP, inputs);
  }
  const weights = pages().map((page) => `${address(page)} ${kib(pageWeight(page))}`);
  say(`build/public/: ${weights.join(", ")} gzipped${done ? " (up to date)" : ""}`);
}

/**
 * The size of what a browser loads for a page: its HTML and the files that it names, each gzipped. A style sheet that is
 * disabled is loaded only if it is ever enabled.
 * @param {string} page the name of its file
 * @returns {number} bytes
 */
export function pageWeight(page) {
  const html = readFileSync(join(PUBLIC, page), "utf8");
  const loaded = html.replaceAll(/<link [^>]*\bdisabled>/g, "");
  const files = namedIn(loaded).map((path) => readFileSync(join(PUBLIC, path)));
  return [html, ...files].reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0);
}

/**
 * What became of the modules and style sheets that the pages name.
 * @typedef {object} Bundles
 * @property {import("esbuild").OutputFile[]} files
 * @property {(source: string) => string} named the address of what a source became, both without the leading slash
 * @property {(sources: string[], kinds?: string[]) => string[]} reachable all that these load: their own addresses, and
 *   those of what they import in one of these ways, or in any
 */

/** @returns {Promise<Bundles>} */
async function bundle() {
  const bundles = await Promise.all(pages().map(bundlePage));
  const files = bundles.flatMap(({ outputFiles }) => outputFiles);
  const published = (path) => relative(PUBLIC, resolve(SOURCE, path));
  const outputs = new Map(
    bundles.flatMap(({ metafile }) =>
      Object.entries(metafile.outputs).map(([path, output]) => [published(path), output]),
    ),
  );
  const names = new Map(
    Array.from(outputs, ([path, { entryPoint }]) => [entryPoint, path]).filter(([entry]) => entry),
  );
  const reachable = (sources, kinds) => {
    const found = new Set(sources.map((source) => names.get(source)));
    for (const path of found) {
      const { imports = [], cssBundle } = outputs.get(path) ?? {};
      for (const { path: inner, kind, external } of imports) {
        if (!external && (kinds?.includes(kind) ?? true)) found.add(published(inner));
      }
      if (cssBundle && !kinds) found.add(published(cssBundle));
    }
    return [...found];
  };
  return { files, named: (source) => names.get(source), reachable };
}

/** Each page has its own files: what two pages shared would be one more file for each of them. */
function bundlePage(page) {
  return esbuild({
    ...BROWSER,
    entryPoints: namedIn(readFileSync(join(SOURCE, page), "utf8")),
    metafile: true,
    format: "esm",
    // What is imported only when it is needed is a file of its own.
    splitting: true,
    entryNames: "assets/[dir]-[hash]",
    chunkNames: "assets/[name]-[hash]",
    assetNames: "assets/[name]-[hash]",
    publicPath: "/",
    // Licences of bundled libraries: a page that imports one gets its address.
    loader: { ".woff2": "file" },
    legalComments: "linked",
    plugins: [oneFontFormat, oneModuleFormat],
    outbase: SOURCE,
    outdir: PUBLIC,
  });
}

/** @param {Bundles} bundles */
async function publish({ files, named, reachable }) {
  for (const { name } of published()) cpSync(join(SOURCE, name), join(PUBLIC, name));
  for (const { path, contents } of files) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  }
  for (const page of pages()) {
    const source = readFileSync(join(SOURCE, page), "utf8");
    // The indentation of our own lines is nobody's text; the code of an example, which keeps its own, comes later.
    const html = await filledIn(source.replaceAll(/^ +/gm, ""));
    const sources = namedIn(html);
    const entries = sources.map(named);
    // Without these lines, a browser would learn of them only from the modules that import them.
    const preloads = reachable(sources, ["import-statement"])
      .filter((path) => !entries.includes(path))
      .map((path) => `<link rel="modulepreload" href="/${path}">\n`);
    writeFileSync(
      join(PUBLIC, page),
      html
        .replace(NAMED, (_, source) => `/${named(source)}`)
        .replace("</head>", (end) => preloads.join("") + end),
    );
  }
}

/** A page with the parts of the API reference in it that its comments ask for. */
async function filledIn(html) {
  const asked = /<!-- (\w+) -->/g;
  if (!asked.test(html)) return html;
  // It comes with the node modules, which may not be installed when this file is loaded.
  const { renderReference } = await import("./reference/page.mjs");
  const parts = renderReference(JSON.parse(readFileSync(join(SOURCE, "openapi.json"), "utf8")));
  return html.replace(asked, (comment, name) =>
    Object.hasOwn(parts, name) ? parts[name] : comment,
  );
}

/** @param {Bundles} bundles */
async function publishServiceWorker({ reachable }) {
  const { serviceWorker } = await import("./service-worker.mjs");
  const sources = namedIn(readFileSync(join(SOURCE, "index.html"), "utf8"));
  const source = await serviceWorker({
    build: (options) => esbuild({ ...BROWSER, ...options }),
    folder: PUBLIC,
    page: "index.html",
    needed: [...reachable(sources, ["import-statement"]), "favicon.svg"],
    late: reachable(LATER, ["import-statement"]),
    all: reachable(sources),
  });
  writeFileSync(join(PUBLIC, "sw.js"), source);
}

async function esbuild(options) {
  const { build } = await import("esbuild");
  return build(options).catch((error) => {
    const { message } = error;
    throw new Failure("The pages could not be bundled; see above.", { output: message });
  });
}

/** The modules and style sheets that a page names, without the leading slash. */
function namedIn(html) {
  return Array.from(html.matchAll(NAMED), ([, path]) => path);
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
