/** The pages, served in front of the worker as production serves them. */
import assert from "node:assert/strict";
import test from "node:test";
import { pageWeight } from "../../scripts/lib/pages.mjs";
import { errorBody } from "../support/errors.mjs";
import { read } from "../support/exchange.mjs";
import { startWorker } from "../support/harness.mjs";

const app = await startWorker({}, { pages: true });
const html = await read(await app.get("/"));

const SAFE = {
  allow: "GET, HEAD",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; " +
    "img-src 'self' data:; " +
    "manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    "require-trusted-types-for 'script'; trusted-types dompurify service-worker own-script",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};
const REVALIDATE = "public, max-age=0, must-revalidate";
const FOR_EVER = "public, max-age=31536000, immutable";

/** What differs from one version, one machine or one moment to the next. */
const VARYING = ["cf-cache-status", "connection", "content-length", "date", "etag", "keep-alive"];

function headersOf(response) {
  return Object.fromEntries(
    Array.from(response.headers).filter(([name]) => !VARYING.includes(name)),
  );
}

/** The address of the page's own file of a kind. */
function named(kind) {
  return html.match(new RegExp(`"(/assets/[^"]+\\.${kind})"`))[1];
}

test("each file of the page has the security headers, and is cached as its name allows", async (t) => {
  for (const [path, type, cache] of [
    ["/", "text/html; charset=utf-8", REVALIDATE],
    ["/?from=bookmark", "text/html; charset=utf-8", REVALIDATE],
    ["/c/2f6b1c1e-8a52-4a3c-9d0f-0d7f1f0f8a11", "text/html; charset=utf-8", REVALIDATE],
    ["/favicon.svg", "image/svg+xml", REVALIDATE],
    ["/icon-192.png", "image/png", REVALIDATE],
    ["/manifest.webmanifest", "application/manifest+json", REVALIDATE],
    ["/sw.js", "text/javascript; charset=utf-8", "no-cache"],
    [named("js"), "text/javascript; charset=utf-8", FOR_EVER],
    [named("css"), "text/css; charset=utf-8", FOR_EVER],
  ]) {
    await t.test(path, async () => {
      const response = await app.get(path);
      assert.equal(response.status, 200);
      assert.deepEqual(headersOf(response), {
        ...SAFE,
        "cache-control": cache,
        "content-type": type,
      });
      assert.match(response.headers.get("etag"), /^"[0-9a-f]{32}"$/);
    });
  }
});

test("an unchanged file is not sent again", async () => {
  const etag = (await app.get("/")).headers.get("etag");
  const response = await app.get("/", { headers: { "if-none-match": etag } });
  assert.equal(response.status, 304);
});

test("HEAD of the page is its answer without the body", async () => {
  const response = await app.fetch("/", { method: "HEAD" });
  assert.equal(response.status, 200);
  assert.equal(await read(response), "");
});

test("other methods get a 405 that names the right ones", async (t) => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
    await t.test(method, async () => {
      const response = await app.fetch("/", { method });
      assert.equal(response.status, 405);
      assert.deepEqual(headersOf(response), SAFE);
    });
  }
});

test("the page has one address", async () => {
  const response = await app.get("/index.html", { redirect: "manual" });
  assert.equal(response.status, 307);
  assert.equal(response.headers.get("location"), "/");
});

test("the page has no script and no style of its own", () => {
  const scripts = html.match(/<script\b[^>]*>/gi);
  for (const script of scripts) assert.match(script, / src="\/assets\//, "a script has an address");
  assert.doesNotMatch(html, /<style\b/i);
  assert.doesNotMatch(html, /\sstyle\s*=/i);
  assert.doesNotMatch(html, /\son[a-z]+\s*=/i, "no event handlers");
});

test("the page names nothing beyond its own origin", () => {
  const addresses = Array.from(html.matchAll(/\b(?:src|href)="([^"]*)"/g), ([, each]) => each);
  assert.ok(addresses.length > 2);
  for (const address of addresses) assert.match(address, /^(?:\/(?!\/)|#)/);
});

test("what is no file is answered by the worker", async (t) => {
  for (const path of [
    "/nothing",
    "/chat/main.js",
    "/assets/",
    "/assets/nothing.js",
    "/_headers",
    "/_redirects",
    "/c",
  ]) {
    for (const mode of ["cors", "navigate"]) {
      await t.test(`${path}, ${mode}`, async () => {
        const headers = ["x-correlation-id", "lost", "sec-fetch-mode", mode];
        const { status, text } = await app.raw(path, { headers });
        assert.equal(status, 404);
        assert.equal(text, errorBody("not_found", "lost"));
      });
    }
  }
  assert.equal((await app.get("/health")).status, 200);
});

for (const [address, page, most] of [
  ["/", "index.html", 75_000],
  ["/docs", "docs.html", 50_000],
]) {
  test(`${address} weighs at most ${most / 1000} KB gzipped`, () => {
    const weight = pageWeight(page);
    assert.ok(weight <= most, `${weight} bytes`);
  });
}
