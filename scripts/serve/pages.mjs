/**
 * The assistant on one's own server: it serves the pages as Cloudflare's edge does, and leaves everything else to the
 * built worker. It extends that worker instead of calling it, because the signal that tells when a client leaves is not
 * passed on to another worker.
 *
 * @typedef {import("../lib/static-files.mjs").Page} Page
 * @typedef {{ PAGES: string, FILES: { fetch: typeof fetch } }} Env
 */
// The built worker, which stands beside this module in the runtime.
import Assistant from "./index.js";

// The runtime looks for the classes of Durable Objects in the main module.
export * from "./index.js";

/**
 * The path and the query in a request's URL. The runtime builds the URL from `Host` without checking it; when that is
 * no host, no page is looked up and the worker answers with its error.
 */
const ADDRESS = /^http:\/\/(?:\[[\da-f:.]+\]|[\w.-]+)(?::\d{0,5})?(\/[^?#]*)(\?[^#]*)?/i;

/** Characters that end a host in a URL: with one of them in `Host`, the client would choose the path there. */
const ENDS_HOST = /[/?#\\@\s]/;

/** The pages by their paths. @type {Map<string, Page> | undefined} */
let pages;

export default class extends Assistant {
  /** @param {Request} request */
  fetch(request) {
    pages ??= new Map(Object.entries(JSON.parse(this.env.PAGES)));
    const [, path, search = ""] = request.url.match(ADDRESS) ?? [];
    const isHost = !ENDS_HOST.test(request.headers.get("host") ?? "");
    const page = isHost && (pages.get(path) ?? rewritten(path));
    return page ? answer(request, search, page, this.env) : super.fetch(request);
  }
}

/** The page of a path that begins as a rule says, such as that of a conversation. @returns {Page | undefined} */
function rewritten(path = "") {
  for (const [rule, page] of pages) {
    if (rule.endsWith("*") && path.startsWith(rule.slice(0, -1))) return page;
  }
}

/**
 * @param {Request} request
 * @param {string} search its query
 * @param {Page} page
 * @param {Env} env
 * @returns {Promise<Response>}
 */
async function answer(request, search, { file, movedTo, ruled, headers }, env) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return new Response(null, { status: 405, headers: ruled });
  }
  if (movedTo) {
    const location = `${movedTo}${search}`;
    return new Response(null, { status: 307, headers: { ...ruled, location } });
  }
  if (isKnown(request.headers.get("if-none-match"), headers.etag)) {
    return new Response(null, { status: 304, headers });
  }
  // Only the method is passed on: without `Range`, the file is sent whole.
  const stored = await env.FILES.fetch(`http://files${file}`, { method: request.method });
  return stored.ok ? new Response(stored.body, { headers }) : new Response(null, { status: 500 });
}

/** Whether the client has the page already: RFC 9110, section 13.1.2. */
function isKnown(ifNoneMatch, etag) {
  const known = (ifNoneMatch ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return known.includes(etag) || known.includes("*");
}
