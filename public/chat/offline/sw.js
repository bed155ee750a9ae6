/**
 * The service worker. It opens the chat page where there is no network, and does nothing else: it never sees an access
 * token, and neither an answer nor anything else of the API goes through it.
 *
 * The page comes from the network whenever that answers in time, so a new version shows at once. A kept page and its
 * files are always of one version, that of the service worker itself.
 */

/**
 * What the build knows: its version, what the page cannot be opened without, what it needs to show conversations that this
 * browser keeps, and all that it may load.
 */
const { version, needed, late, all } = BUILD;

const PAGE = "/";
const CACHE = `page-${version}`;

/** How long the network may take before the kept page is shown. */
const DEADLINE_MS = 3000;

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(keepPage());
});

addEventListener("activate", (event) => event.waitUntil(forget((name) => name !== CACHE)));

addEventListener("fetch", (event) => {
  const { method, mode, url } = event.request;
  const { origin, pathname } = new URL(url);
  if (method !== "GET" || origin !== location.origin) return;
  if (mode === "navigate" && isPage(pathname)) event.respondWith(openPage(event));
  else if (all.includes(pathname)) event.respondWith(fileOf(event, pathname));
});

/** Whether a path is the page's: that of a new conversation, or of a kept one. */
function isPage(path) {
  return path === PAGE || path.startsWith("/c/");
}

async function keepPage() {
  const answer = await fetch(PAGE, { cache: "no-cache" });
  const html = await answer.text();
  // While a new version is being deployed, the page may be of another one than this.
  const isOurs = needed.every((path) => !path.startsWith("/assets/") || html.includes(path));
  if (!answer.ok || !isOurs) throw new Error("The page is of another version");
  const cache = await caches.open(CACHE);
  await cache.addAll([...needed, ...late]);
  const headers = new Headers(answer.headers);
  for (const name of ["content-encoding", "content-length"]) headers.delete(name);
  // The mark tells whoever looks into a page that it is a kept one. The page itself does not need it.
  const marked = html.replace("<html ", "<html data-offline ");
  await cache.put(PAGE, new Response(marked, { headers }));
}

/** The page from the network, or the kept one if that fails or takes too long. */
async function openPage(event) {
  const answer = fetch(event.request);
  event.waitUntil(answer.then(leaveIfGone).catch(() => {}));
  const inTime = await Promise.race([answer.catch(() => undefined), deadline()]);
  if (inTime && inTime.status < 500) return inTime;
  return (await kept(PAGE)) ?? inTime ?? answer;
}

/** A file never changes under its name, or only together with the version. */
async function fileOf(event, path) {
  const file = await kept(path);
  if (file) return file;
  const answer = await fetch(event.request);
  if (answer.ok) event.waitUntil(keep(path, answer.clone()).catch(() => {}));
  return answer;
}

async function kept(path) {
  try {
    return await caches.match(path, { cacheName: CACHE });
  } catch {
    // A browser without room, or one that stores nothing, still has the network.
    return undefined;
  }
}

/** A newer version may have deleted the cache, which must not come back. */
async function keep(path, answer) {
  if (await caches.has(CACHE)) await (await caches.open(CACHE)).put(path, answer);
}

/** A deployment without a service worker must not be left with this one: browsers keep it until it goes by itself. */
async function leaveIfGone() {
  const { status } = await fetch(location.href, { method: "HEAD", cache: "no-store" });
  if (status !== 404 && status !== 410) return;
  await registration.unregister();
  await forget(() => true);
}

/** Deletes caches of ours. @param {(name: string) => boolean} isUnwanted */
async function forget(isUnwanted) {
  const names = await caches.keys();
  const ours = names.filter((name) => name.startsWith("page-") && isUnwanted(name));
  await Promise.all(ours.map((name) => caches.delete(name)));
}

function deadline() {
  return new Promise((resolve) => setTimeout(resolve, DEADLINE_MS));
}
