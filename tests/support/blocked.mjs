/** A browser whose person has blocked all site data. */

/**
 * Has a page find what Firefox 153 gives pages then. (Chromium does the same, but for the channel between tabs and the
 * locks.) To be called before the page is opened.
 *
 * @param {import("playwright-core").Page} page
 */
export function blockSiteData(page) {
  return page.addInitScript(() => {
    const denied = () => {
      throw new DOMException("The operation is insecure.", "SecurityError");
    };
    const deniedLater = async () => denied();
    for (const name of ["localStorage", "sessionStorage", "caches"])
      Object.defineProperty(globalThis, name, { get: denied });
    globalThis.BroadcastChannel = class {
      constructor() {
        denied();
      }
    };
    IDBFactory.prototype.open = denied;
    Object.assign(LockManager.prototype, { request: deniedLater, query: deniedLater });
    ServiceWorkerContainer.prototype.register = deniedLater;
  });
}
