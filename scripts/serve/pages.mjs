/**
 * The assistant on one's own server: pages are served as Cloudflare's edge does, everything else is the assistant's own.
 * It is no second worker in front of it, so that a request comes with the signal that tells when its client leaves.
 *
 * @typedef {import("../lib/static-files.mjs").Page} Page
 * @typedef {{ PAGES: string, FILES: { fetch: typeof fetch } }} Env
 */
// The built worker, which is beside this module in the runtime.
import Assistant from "./index.js";

/**
 * A request's address: its path and its query. The runtime puts it together from what `Host` says, whatever that is. If
 * it is no host, the assistant has words for it, and no page is looked for.
 */
const ADDRESS = /^http:\/\/(?:\[[\da-f:.]+\]|[\w.-]+)(?::\d{0,5})?(\/[^?#]*)(\?[^#]*)?/i;

/** What ends a host in an address: with one of these in `Host`, the path would be what the client has put there. */
const ENDS_HOST = /[/?#\\@\s]/;

/** @type {Map<string, Page> | undefined} by the paths that they are asked by */
let pages;

export default class extends Assistant {
  /** @param {Request} request */
  fetch(request) {
    pages ??= new Map(Object.entries(JSON.parse(this.env.PAGES)));
    const [, path, search = ""] = request.url.match(ADDRESS) ?? [];
    const isHost = !ENDS_HOST.test(request.headers.get("host") ?? "");
    const page = isHost && pages.get(path);
    return page ? answer(request, search, page, this.env) : super.fetch(request);
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
  // Of what the client asked for, only the method: the file is sent whole or not at all.
  const stored = await env.FILES.fetch(`http://files${file}`, { method: request.method });
  return stored.ok ? new Response(stored.body, { headers }) : new Response(null, { status: 500 });
}

/** Whether the client has the page already: RFC 9110, 13.1.2. */
function isKnown(ifNoneMatch, etag) {
  const known = (ifNoneMatch ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return known.includes(etag) || known.includes("*");
}
