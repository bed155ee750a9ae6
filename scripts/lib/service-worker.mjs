import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The service worker of a build. It knows the files of the page by name, and differs whenever one of them does: that is
 * how browsers notice a new version.
 *
 * @param {object} build
 * @param {(options: import("esbuild").BuildOptions) => Promise<import("esbuild").BuildResult>} build.build
 * @param {string} build.folder where the page is published
 * @param {string} build.page the name of its file
 * @param {string[]} build.needed what it cannot be opened without
 * @param {string[]} build.late what it may need later, and is not named in it
 * @param {string[]} build.all what it may load
 * @returns {Promise<Uint8Array>}
 */
export async function serviceWorker({ build, folder, page, needed, late, all }) {
  // The names of hashed files tell their content; those of the others do not. The page is kept with its headers.
  const hash = createHash("sha256").update([...needed, ...all].join("\n"));
  for (const name of [page, "_headers", ...needed.filter((name) => !name.startsWith("assets/"))]) {
    hash.update(readFileSync(join(folder, name)));
  }
  const facts = {
    version: hash.digest("hex").slice(0, 16),
    needed: needed.map((path) => `/${path}`),
    late: late.filter((path) => !needed.includes(path)).map((path) => `/${path}`),
    all: [...new Set([...needed, ...all])].map((path) => `/${path}`),
  };
  const { outputFiles } = await build({
    entryPoints: ["chat/offline/sw.js"],
    format: "iife",
    define: { BUILD: JSON.stringify(facts) },
  });
  return outputFiles[0].contents;
}
