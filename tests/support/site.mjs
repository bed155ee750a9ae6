/**
 * A site that serves a folder of built pages as production does, and counts what it is asked for. It can change under a
 * browser that has been there: another build, a file less, slow, or gone.
 */
import { once } from "node:events";
import { cpSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { PUBLIC } from "../../scripts/lib/pages.mjs";
import { pagesOf } from "../../scripts/lib/static-files.mjs";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";

class Site {
  /** What it was asked for so far: `GET /health`. @type {string[]} */
  requests = [];
  /** Paths that are answered with this status instead. @type {Map<string, number>} */
  failing = new Map();
  /** Paths whose answers wait until this is over. @type {Map<string, Promise<unknown>>} */
  waiting = new Map();
  #folder;
  #others = {};
  #pages;
  #server = createServer((request, response) => this.#answer(request, response));
  #port = 0;

  /** Serves this folder from now on. @param {Record<string, string>} [others] what some paths hold instead */
  serve(folder, others = {}) {
    this.#folder = folder;
    this.#others = others;
    this.#pages = pagesOf(folder);
  }

  /** Starts to listen, again at the same address. */
  async open() {
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = this.#server.address().port;
    this.url = `http://127.0.0.1:${this.#port}`;
  }

  /** Is gone: nothing listens any more. */
  async close() {
    this.#server.closeAllConnections();
    if (this.#server.listening) {
      this.#server.close();
      await once(this.#server, "close");
    }
  }

  async #answer({ method, url }, response) {
    const path = url.replace(/\?.*/, "");
    this.requests.push(`${method} ${path}`);
    await this.waiting.get(path);
    const status = this.failing.get(path);
    if (status !== undefined) return response.writeHead(status).end();
    // The page has an address for each conversation.
    const page = this.#pages[path.startsWith("/c/") ? "/" : path];
    if (!page) {
      // What the API says differs each time.
      response.writeHead(200, { "content-type": "application/json" });
      return response.end(JSON.stringify({ count: this.requests.length }));
    }
    response.writeHead(200, page.headers);
    const contents = this.#others[path] ?? readFileSync(join(this.#folder, page.file));
    return response.end(method === "HEAD" ? "" : contents);
  }
}

/** Starts one with the built pages; it ends with the test. @param {import("node:test").TestContext} t */
export async function startSite(t) {
  const site = new Site();
  site.serve(PUBLIC);
  await site.open();
  t.after(() => site.close());
  return site;
}

/** What the next build's page says about itself. */
const NEXT = "The next version";

/** Whether a page is of the next build. @param {import("playwright-core").Page} page */
export async function isNext(page) {
  return (await page.locator('meta[name="description"]').getAttribute("content")) === NEXT;
}

/** The next build of the pages: the same, but for what it says about itself and the module's name. @returns {string} its folder */
export function nextBuild() {
  const folder = makeTemporary("next-build-");
  cpSync(PUBLIC, folder, { recursive: true });
  const [, module] = readFileSync(join(folder, "index.html"), "utf8").match(
    /"\/(assets\/[^"]+)\.js"/,
  );
  renameSync(join(folder, `${module}.js`), join(folder, `${module}-NEXT.js`));
  for (const [name, from, to] of [
    ["index.html", /(?<=name="description" content=")[^"]+/g, NEXT],
    ["index.html", `${module}.js`, `${module}-NEXT.js`],
    ["sw.js", `${module}.js`, `${module}-NEXT.js`],
    ["sw.js", /"[0-9a-f]{16}"/g, '"0123456789abcdef"'],
  ]) {
    const path = join(folder, name);
    writeFileSync(path, readFileSync(path, "utf8").replaceAll(from, to));
  }
  return folder;
}
