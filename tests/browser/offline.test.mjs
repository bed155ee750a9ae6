/** The page on a device: installed, opened without a network, and taking new versions. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { PUBLIC } from "../../scripts/lib/pages.mjs";
import { exchangeOn, say, visit } from "../support/browser.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKeptPage } from "../support/kept-page.mjs";
import { isNext, nextBuild, startSite } from "../support/site.mjs";
import { answer, delta, startUpstream } from "../support/upstream.mjs";
import { within } from "../support/within.mjs";

/** What the browser says about a site that is gone. */
const expected = /^Failed to load resource|^A bad HTTP response code \(404\) was received/;

test("after one visit, the page opens without a network, at each of its addresses", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url, { expected });
  await isKept(page);
  assert.equal(await isMarked(page), false, "it came from the network");
  await site.close();
  for (const path of ["/", "/?from=home", "/c/0b0f9a52-7c0e-4c1b-9d8e-3f1f6f0a2b11"]) {
    await page.goto(site.url + path);
    await page.getByLabel("Message", { exact: true }).waitFor();
    assert.equal(new URL(page.url()).pathname, path.replace(/\?.*/, ""));
    assert.equal(await isMarked(page), true, "it says that it is a kept one");
  }
});

test("a conversation is read without a network, and goes on once there is one", async (t) => {
  const upstream = await startUpstream();
  const server = await startKeptPage(upstream);
  const { page } = await visit(t, server.url, { expected });
  await say(page, "How tall are spruces?");
  (await upstream.nextCall()).end(...answer("Up to 50 metres"));
  await exchangeOn(page).is("done");
  await isKept(page);
  const address = page.url();
  await copyWith(page, "Up to 50 metres");
  await page.context().setOffline(true);
  await page.goto(address);
  await exchangeOn(page).shows("Up to 50 metres");
  assert.equal(await isMarked(page), true);
  await page.context().setOffline(false);
  await server.kill();
  await page.goto(address);
  await exchangeOn(page).shows("Up to 50 metres");
  await server.start();
  await page.goto(address);
  assert.equal(await isMarked(page), false);
  await say(page, "And firs?");
  (await upstream.nextCall()).end(...answer("Some are taller"));
  await exchangeOn(page).shows("Some are taller");
});

test("a conversation that this browser keeps is read without a network after the first visit", async (t) => {
  const upstream = await startUpstream();
  const app = await startWorker({ OPENAI_BASE_URL: upstream.url }, { pages: true });
  const { page } = await visit(t, app.url, { expected });
  await say(page, "How tall are spruces?");
  (await upstream.nextCall()).end(...answer("Up to 50 metres"));
  await exchangeOn(page).is("done");
  await isKept(page);
  await page.context().setOffline(true);
  await page.reload();
  await exchangeOn(page).shows("Up to 50 metres");
});

test("other pages are not kept, and what is not the page's is not opened as the page", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url, { expected });
  await isKept(page);
  await page.goto(`${site.url}/docs`);
  await site.close();
  for (const path of ["/docs", "/c", "/conversations", "/openapi.json"]) {
    await assert.rejects(page.goto(site.url + path), /ERR_/, path);
  }
});

test("nothing of the API is ever kept", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url, { expected });
  await page.context().unrouteAll();
  await isKept(page);
  await page.reload();
  const paths = [
    ...["/health", "/health/ready", "/models", "/conversations?limit=1", "/conversations/c1"],
    ...["/answers/a1?after=3", "/export", "/openapi.json", "/manifest.webmanifest"],
  ];
  const ask = (path, init) =>
    page.evaluate(
      ([path, init]) =>
        fetch(path, init).then(
          (answer) => answer.text(),
          () => "failed",
        ),
      [path, init],
    );
  const chat = { method: "POST", body: "{}", headers: { authorization: "Bearer x" } };
  for (const path of paths.slice(0, 7)) {
    assert.notEqual(await ask(path), await ask(path), `${path} is asked for each time`);
  }
  assert.notEqual(await ask("/chat", chat), await ask("/chat", chat));
  const kept = await keptPaths(page);
  assert.deepEqual(
    kept.filter((path) => !isFile(path)),
    ["/"],
  );
  await site.close();
  for (const path of paths) assert.equal(await ask(path), "failed", path);
  assert.equal(await ask("/chat", chat), "failed");
  assert.deepEqual(await keptPaths(page), kept);
});

test("a request of the API does not wait for the service worker, whose failure breaks nothing", async (t) => {
  const site = await startSite(t);
  const { page, faults } = await visit(t, site.url, { expected });
  await isKept(page);
  await page.evaluate(async () => {
    for (const name of await caches.keys()) await caches.delete(name);
  });
  await page.reload();
  await page.getByLabel("Message", { exact: true }).waitFor();
  assert.deepEqual(faults, []);
  await site.close();
  await assert.rejects(page.goto(site.url), /ERR_/);
});

test("a browser that has no service workers, or may not have this one, opens the page as ever", async (t) => {
  const site = await startSite(t);
  site.failing.set("/sw.js", 404);
  const { page } = await visit(t, site.url, { expected });
  await page.getByLabel("Message", { exact: true }).waitFor();
  const count = () =>
    page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length);
  // One that is being tried counts until it is refused.
  const refused = (async () => {
    while ((await count()) > 0 || !site.requests.includes("GET /sw.js"));
  })();
  await within(refused, "the service worker to be refused");
  await page.addInitScript(() => {
    delete Navigator.prototype.serviceWorker;
  });
  await page.reload();
  await page.getByLabel("Message", { exact: true }).waitFor();
});

test("a new version is shown at once, and replaces what is kept", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url, { expected });
  await isKept(page);
  site.serve(nextBuild());
  await page.reload();
  assert.equal(await isNext(page), true);
  await takesOver(page);
  const after = await keptPaths(page);
  assert.ok(after.some((path) => path.endsWith("-NEXT.js")));
  assert.deepEqual(after, [...new Set(after)], "nothing is kept of two versions");
  await site.close();
  await page.reload();
  assert.equal(await isNext(page), true);
  await page.getByLabel("Message", { exact: true }).waitFor();
});

test("a page that is open takes a new version while nobody looks, and no answer is coming", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url, { expected });
  await isKept(page);
  await page.reload();
  const { promise, resolve } = Promise.withResolvers();
  t.after(resolve);
  site.waiting.set("/chat", promise);
  await say(page, "Take your time");
  await exchangeOn(page).is("streaming");
  site.serve(nextBuild());
  await takesOver(page);
  const loads = () => site.requests.filter((each) => /^GET \/(c\/.*)?$/.test(each)).length;
  const before = loads();
  await leave(page);
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(drawn)));
  assert.equal(await isNext(page), false, "an answer is coming");
  const reloaded = page.waitForEvent("load");
  resolve();
  await exchangeOn(page).is("failed");
  await leave(page);
  await reloaded;
  assert.equal(await isNext(page), true);
  assert.equal(loads() - before, 1);
});

test("a page of one version is never kept with the files of another", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url, { expected });
  await isKept(page);
  const before = await keptPaths(page);
  // In the middle of a deploy: the new service worker comes with the page of before.
  const next = nextBuild();
  const now = readFileSync(join(PUBLIC, "index.html"), "utf8");
  site.serve(next, { "/": now });
  const failed = page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    const found = new Promise((resolve) => {
      registration.addEventListener("updatefound", () => resolve(registration.installing));
    });
    await registration.update();
    const worker = await found;
    await new Promise((resolve) => {
      const check = () => worker.state === "redundant" && resolve();
      worker.addEventListener("statechange", check);
      check();
    });
  });
  await within(failed, "the new service worker to be given up");
  assert.deepEqual(await keptPaths(page), before);
  await site.close();
  await page.reload();
  await page.getByLabel("Message", { exact: true }).waitFor();
});

test("a network that does not answer in time does not keep the page from opening", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url, { expected });
  await isKept(page);
  const { promise, resolve } = Promise.withResolvers();
  t.after(resolve);
  site.waiting.set("/", promise);
  await page.reload();
  assert.equal(await isMarked(page), true);
});

test("a server that fails does not keep the page from opening", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url, { expected });
  await isKept(page);
  site.failing.set("/", 502);
  await page.reload();
  await page.getByLabel("Message", { exact: true }).waitFor();
  assert.equal(await isMarked(page), true);
});

test("a deployment without the service worker is rid of it after the next visit", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url, { expected });
  await isKept(page);
  site.failing.set("/sw.js", 404);
  await page.reload();
  const isGone = async () => {
    const registrations = await navigator.serviceWorker.getRegistrations();
    return registrations.length === 0 && (await caches.keys()).length === 0;
  };
  const gone = (async () => {
    while (!(await page.evaluate(isGone)));
  })();
  await within(gone, "the service worker to leave");
  await site.close();
  await assert.rejects(page.goto(site.url), /ERR_/);
});

test("the page can be installed", async (t) => {
  const site = await startSite(t);
  const { page } = await visit(t, site.url);
  await isKept(page);
  const devtools = await page.context().newCDPSession(page);
  const { url, errors, data } = await devtools.send("Page.getAppManifest");
  assert.deepEqual([url, errors], [`${site.url}/manifest.webmanifest`, []]);
  const { installabilityErrors } = await devtools.send("Page.getInstallabilityErrors");
  // A test's browser window is a private one, where nothing can be installed.
  const found = installabilityErrors.map(({ errorId }) => errorId);
  assert.deepEqual(
    found.filter((each) => each !== "in-incognito"),
    [],
  );
  const { icons, start_url, display } = JSON.parse(data);
  assert.deepEqual([start_url, display], ["/", "standalone"]);
  for (const { src, sizes } of icons.filter(({ type }) => type === "image/png")) {
    assert.equal(sizeOf(src), sizes, src);
  }
  const touch = await page.locator('link[rel="apple-touch-icon"]').getAttribute("href");
  assert.equal(sizeOf(touch), "180x180");
});

/** Waits until the device keeps the page. */
function isKept(page) {
  const kept = page.evaluate(async () => {
    const { active } = await navigator.serviceWorker.ready;
    if (active.state === "activated") return;
    await new Promise((resolve) => active.addEventListener("statechange", resolve));
  });
  return within(kept, "the page to be kept");
}

/**
 * Waits until the device has a copy of a conversation with this text.
 *
 * @returns {Promise<{ created_at: string, updated_at: string }>} the copy
 */
function copyWith(page, text) {
  const found = async (text) => {
    const open = indexedDB.open("assistant");
    await new Promise((resolve) => {
      open.onsuccess = resolve;
    });
    const all = open.result.transaction("copies").objectStore("copies").getAll();
    await new Promise((resolve) => {
      all.onsuccess = resolve;
    });
    open.result.close();
    return all.result.find((copy) => JSON.stringify(copy).includes(text));
  };
  const copied = (async () => {
    for (;;) {
      const copy = await page.evaluate(found, text);
      if (copy) return copy;
    }
  })();
  return within(copied, "the copy");
}

/** Has the page believe that the person looks at something else. */
function leave(page) {
  return page.evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
}

/** Waits until the new version has taken over. */
function takesOver(page) {
  const done = page.evaluate(async () => {
    const registration = await navigator.serviceWorker.ready;
    await registration.update();
    const worker = registration.installing ?? registration.waiting ?? registration.active;
    await new Promise((resolve) => {
      const check = () => worker.state === "activated" && resolve();
      worker.addEventListener("statechange", check);
      check();
    });
  });
  return within(done, "the new version to take over");
}

/** What the device keeps. @returns {Promise<string[]>} */
function keptPaths(page) {
  return page.evaluate(async () => {
    const paths = [];
    for (const name of await caches.keys()) {
      for (const { url } of await (await caches.open(name)).keys()) {
        paths.push(url.slice(location.origin.length));
      }
    }
    return paths.sort();
  });
}

function isFile(path) {
  return path.startsWith("/assets/") || path === "/favicon.svg";
}

/** Whether the page says that it was opened from what the device keeps. */
function isMarked(page) {
  return page.evaluate(() => "offline" in document.documentElement.dataset);
}

/** What a PNG of the pages says about its size. */
function sizeOf(path) {
  const png = readFileSync(join(PUBLIC, path));
  return `${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`;
}

test("a question that begins a conversation offline survives a reload, and is sent once there is a network", async (t) => {
  const upstream = await startUpstream();
  const server = await startKeptPage(upstream);
  const { page } = await visit(t, server.url, { expected });
  await isKept(page);
  await page.context().setOffline(true);
  await say(page, "Written on the train");
  await page.reload();
  await exchangeOn(page).question.filter({ hasText: "Written on the train" }).waitFor();
  await page.context().setOffline(false);
  (await upstream.nextCall()).end(...answer("Read at the station"));
  await exchangeOn(page).shows("Read at the station");
  assert.equal(upstream.calls.length, 1);
});

test("a question that is stopped before it has left is never sent, whatever comes first with the network", async (t) => {
  const upstream = await startUpstream();
  const server = await startKeptPage(upstream);
  const { page } = await visit(t, server.url, { expected });
  await isKept(page);
  const asked = [];
  page.on("request", (request) => {
    if (request.method() === "POST" && request.url().endsWith("/chat")) asked.push(request.url());
  });
  const stopped = Promise.withResolvers();
  await page.route("**/stop", async (route) => {
    await stopped.promise;
    await route.continue();
  });
  await page.context().setOffline(true);
  await say(page, "Written on the train");
  await page.getByRole("button", { name: "Stop" }).click();
  const before = asked.length;
  await page.context().setOffline(false);
  await exchangeOn(page).is("stopped");
  const late = page.waitForResponse("**/stop");
  stopped.resolve();
  await late;
  assert.equal(asked.length, before);
  assert.equal(upstream.calls.length, 0);
});

test("a question that is stopped before it has left is not sent after a reload", async (t) => {
  const upstream = await startUpstream();
  const server = await startKeptPage(upstream);
  const { page } = await visit(t, server.url, { expected });
  await isKept(page);
  await page.context().setOffline(true);
  await say(page, "Written on the train");
  await page.getByRole("button", { name: "Stop" }).click();
  await page.reload();
  await page.context().setOffline(false);
  await exchangeOn(page).is("stopped");
  assert.equal(upstream.calls.length, 0);
  // It can still be asked.
  await exchangeOn(page).retry.click();
  (await upstream.nextCall()).end(...answer("Read at the station"));
  await exchangeOn(page).shows("Read at the station");
});

test("a conversation that cannot be opened offline is opened once there is a network", async (t) => {
  const upstream = await startUpstream();
  const server = await startKeptPage(upstream);
  const { page: other } = await visit(t, server.url, { expected });
  await say(other, "Written on the laptop");
  (await upstream.nextCall()).end(...answer("Read on the phone"));
  await exchangeOn(other).is("done");
  const { page } = await visit(t, server.url, { expected });
  await isKept(page);
  await page.context().setOffline(true);
  await page.goto(other.url());
  await page.getByRole("heading", { name: "This conversation could not be opened" }).waitFor();
  await page.context().setOffline(false);
  await exchangeOn(page).shows("Read on the phone");
});

test("a copy keeps the time at which its conversation began", async (t) => {
  const upstream = await startUpstream();
  const server = await startKeptPage(upstream);
  const { page } = await visit(t, server.url);
  await say(page, "How old do yews get?");
  (await upstream.nextCall()).end(...answer("Some are very old"));
  await exchangeOn(page).is("done");
  await page.reload();
  await exchangeOn(page).shows("Some are very old");
  const { created_at } = await copyWith(page, "Some are very old");
  await say(page, "And oaks?");
  (await upstream.nextCall()).end(...answer("Not as old"));
  const copy = await copyWith(page, "Not as old");
  assert.equal(copy.created_at, created_at);
  assert.ok(copy.updated_at > created_at, copy.updated_at);
});

test("a copy of an answer that was running has no button that stops it", async (t) => {
  const upstream = await startUpstream();
  const server = await startKeptPage(upstream);
  const { page } = await visit(t, server.url, { expected });
  await isKept(page);
  await say(page, "How tall are larches?");
  const call = await upstream.nextCall();
  call.write(delta("Up to"));
  await exchangeOn(page).shows("Up to");
  await page.reload();
  await exchangeOn(page).shows("Up to");
  await copyWith(page, "Up to");
  await page.context().setOffline(true);
  await page.reload();
  await exchangeOn(page).shows("Up to");
  await page.locator("#copy-note").waitFor();
  assert.equal(await page.getByRole("button", { name: "Stop" }).isVisible(), false);
  await page.context().setOffline(false);
  await page.getByRole("button", { name: "Stop" }).waitFor();
  call.end(...answer(" 50 metres"));
  await exchangeOn(page).shows("Up to 50 metres");
});
