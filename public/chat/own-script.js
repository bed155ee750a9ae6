/** Workers are made of our own files alone. */
const policy = globalThis.trustedTypes?.createPolicy("own-script", {
  createScriptURL(address) {
    const { origin, href } = new URL(address, location.href);
    if (origin !== location.origin) throw new TypeError(`${href} is not ours`);
    return href;
  },
});

/**
 * The address of a worker's script, as the page's policy wants it.
 *
 * @param {string} address
 * @returns {TrustedScriptURL | string}
 */
export function ownScript(address) {
  return policy ? policy.createScriptURL(address) : address;
}
