/** Responses that come late, on purpose. */

/**
 * Keeps the first such response from the page.
 *
 * @param {import("playwright-core").Page} page
 * @param {RegExp} address
 * @param {{ method?: string, isSent?: boolean }} [options] `isSent`: the service is asked at once, and only its response
 *   is late
 * @returns `said` resolves when the service has answered, or the page has asked; `arrive()` lets it through, or answers
 *   otherwise, and resolves when the page has taken that in
 */
export async function hold(page, address, { method = "GET", isSent = true } = {}) {
  const said = Promise.withResolvers();
  const mayArrive = Promise.withResolvers();
  let isHeld = false;
  await page.route(address, async (route) => {
    if (isHeld || route.request().method() !== method) return route.fallback();
    isHeld = true;
    const response = isSent ? await route.fetch() : undefined;
    said.resolve(response);
    const act = (await mayArrive.promise) ?? ((it) => it.fulfill({ response }));
    await act(route);
  });
  return {
    said: said.promise,
    async arrive(act) {
      const isIt = (request) => request.method() === method && address.test(request.url());
      const begun = page.waitForEvent("response", (it) => isIt(it.request()));
      const over = Promise.race([begun, ended(page, isIt)]);
      mayArrive.resolve(act);
      await over;
      await settle(page);
    },
  };
}

/**
 * Resolves when the next such request is over.
 *
 * `Response.finished()` would not do: Chromium calls some requests aborted whose body the page has read whole, and after
 * one of those it never resolves (microsoft/playwright#42742 and #42786).
 *
 * @param {import("playwright-core").Page} page
 * @param {(request: import("playwright-core").Request) => boolean} isIt
 */
export function ended(page, isIt) {
  const events = ["requestfinished", "requestfailed"];
  return Promise.race(events.map((name) => page.waitForEvent(name, isIt)));
}

/** Resolves when the page has taken in what has arrived, as far as that needs no network. */
export async function settle(page) {
  for (let turn = 0; turn < 5; turn += 1)
    await page.evaluate(async () => {
      await navigator.locks.query();
      await new Promise((resolve) => {
        indexedDB.open("assistant").onsuccess = ({ target }) => {
          target.result.close();
          resolve();
        };
      });
      await new Promise(requestAnimationFrame);
    });
}
