import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { Failure } from "./process.mjs";

/**
 * The answer for a path: a file, or a redirect to the page's canonical path. `ruled` are the headers that rules set on
 * every answer, `headers` those of the file.
 * @typedef {{ file?: string, movedTo?: string, ruled: Record<string, string>, headers?: Record<string, string> }} Page
 */

/**
 * A rule of the `_redirects` file: paths that begin with `prefix` get the page at `to`, and keep their address.
 * @typedef {{ prefix: string, to: string }} Rewrite
 */

/**
 * A rule of the `_headers` file: headers for the paths that match a pattern.
 * @typedef {{ pattern: RegExp, unset: string[], set: [name: string, value: string][] }} Rule
 */

const TYPES = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".mjs": "text/javascript; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

/** Files that say how the others are served. */
const RULES = "_headers";
const REWRITES = "_redirects";
const NOT_SERVED = ["/_headers", "/_redirects", "/.assetsignore"];

/**
 * The pages of a folder by their paths, as Cloudflare serves them: `docs.html` is `/docs`, `docs/index.html` is
 * `/docs/`, other spellings redirect there, and the folder's `_headers` and `_redirects` apply.
 * @param {string} folder
 * @returns {Record<string, Page>} a path that ends with `*` stands for all that begin so and are no other page's
 */
export function pagesOf(folder) {
  const rules = rulesOf(folder);
  const paths = filesOf(folder).filter((path) => !NOT_SERVED.includes(path));
  const served = paths.map((file) => [nameOf(file), pageOf(folder, file, rules)]);
  const moved = paths.flatMap((file) =>
    otherNamesOf(file).map((path) => [
      path,
      { movedTo: nameOf(file), ruled: withRules({}, path, rules) },
    ]),
  );
  const rewritten = rewritesOf(folder).map(({ prefix, to }) => {
    const file = paths.find((path) => nameOf(path) === to);
    if (file === undefined) throw new Failure(`${join(folder, REWRITES)} leads to no page: ${to}`);
    return [`${prefix}*`, pageOf(folder, file, rules, prefix)];
  });
  return Object.fromEntries([...moved, ...served, ...rewritten]);
}

/** The canonical path of a file. */
function nameOf(file) {
  return file.replace(/(\/index|(?<!\/index))\.html$/, (_, index) => (index ? "/" : ""));
}

/** The paths that redirect to it. */
function otherNamesOf(file) {
  if (!file.endsWith(".html")) return [];
  const name = nameOf(file);
  const bare = name.replace(/\/$/, "");
  const all = [bare, `${bare}/`, `${bare}.html`, `${bare}/index`, `${bare}/index.html`];
  return all.filter((path) => path.length > 1 && path !== "/.html" && path !== name);
}

function pageOf(folder, file, rules, path = nameOf(file)) {
  const contents = readFileSync(join(folder, file));
  const headers = {
    "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    "cache-control": "public, max-age=0, must-revalidate",
    etag: `"${createHash("sha256").update(contents).digest("hex").slice(0, 32)}"`,
  };
  return {
    file,
    ruled: withRules({}, path, rules),
    headers: withRules(headers, path, rules),
  };
}

/** Rules override the usual headers. Values that several rules set for one header are joined. */
function withRules(usual, path, rules) {
  const headers = new Map(Object.entries(usual));
  const ruled = new Set();
  for (const { unset, set } of rules.filter(({ pattern }) => pattern.test(path))) {
    for (const name of unset) headers.delete(name);
    for (const [name, value] of set) {
      const earlier = ruled.has(name) ? headers.get(name) : undefined;
      headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`);
      ruled.add(name);
    }
  }
  return Object.fromEntries(headers);
}

/** @returns {Rule[]} */
function rulesOf(folder) {
  const path = join(folder, RULES);
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  /** @type {Rule[]} */
  const rules = [];
  for (const line of lines.map((line) => line.trim())) {
    if (line === "" || line.startsWith("#")) continue;
    const [, name, value] = line.match(/^([\w-]+):\s*(.*)$/) ?? [];
    if (/^\/[^\s:]*$/.test(line)) rules.push({ pattern: patternOf(line), unset: [], set: [] });
    else if (name && rules.length > 0) rules.at(-1).set.push([name.toLowerCase(), value]);
    else if (/^! [\w-]+$/.test(line) && rules.length > 0) {
      rules.at(-1).unset.push(line.slice(2).toLowerCase());
    } else {
      throw new Failure(
        `${path} has a line that is neither a path, nor 'Name: value', nor '! Name': ${line}\n` +
          "In a path, '*' matches anything, and no other wildcard is known.",
      );
    }
  }
  return rules;
}

/** @returns {Rewrite[]} */
function rewritesOf(folder) {
  const path = join(folder, REWRITES);
  const lines = existsSync(path) ? readFileSync(path, "utf8").split("\n") : [];
  const rules = lines
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  return rules.map((line) => {
    const [, prefix, to] = line.match(/^(\/[^\s*:]*)\*\s+(\/[^\s*:]*)\s+200$/) ?? [];
    if (prefix) return { prefix, to };
    throw new Failure(
      `${path} has a line that is not '/from/* /to 200', which is all that is known: ${line}`,
    );
  });
}

function patternOf(path) {
  const parts = path.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

/** @returns {string[]} the paths of all files in a folder, relative to it, with a leading slash */
function filesOf(folder, path = "") {
  return readdirSync(join(folder, path), { withFileTypes: true }).flatMap((entry) => {
    const inner = `${path}/${entry.name}`;
    return entry.isDirectory() ? filesOf(folder, inner) : [inner];
  });
}
