/** What the page has to do with its service worker, which opens it where there is no network. */

const SERVICE_WORKER = "/sw.js";

/**
 * Has this device keep the page, so that it opens without a network. A browser that cannot, or may not, keeps nothing.
 *
 * A new version takes over by itself when the page is opened the next time. A page that stays open for days takes it while
 * nobody looks at it.
 *
 * @param {{ mayReload: () => boolean }} page `mayReload`: whether a reload would lose or interrupt nothing
 */
export async function keepForOffline({ mayReload }) {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return;
  if (serviceWorker.controller) {
    // It updates by itself. To register it again would keep one that is about to leave.
    serviceWorker.addEventListener("controllerchange", () => reloadUnseen(mayReload));
    return;
  }
  try {
    await serviceWorker.register(trusted(SERVICE_WORKER), { updateViaCache: "none" });
  } catch {
    // Blocked, without room, or not to be had just now: the page works without it.
  }
}

/** The page's policy allows no other script here. */
function trusted(url) {
  const policy = globalThis.trustedTypes?.createPolicy("service-worker", {
    createScriptURL: () => SERVICE_WORKER,
  });
  return policy ? policy.createScriptURL(url) : url;
}

function reloadUnseen(mayReload) {
  const reload = () => {
    if (document.hidden && mayReload()) location.reload();
  };
  document.addEventListener("visibilitychange", reload);
  reload();
}
