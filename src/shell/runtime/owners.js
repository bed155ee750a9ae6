/**
 * Has an owner's Durable Object answer a request.
 *
 * @param {DurableObjectNamespace} owners
 * @param {string} owner
 * @param {string} target path and query
 * @param {string} options what `fetch` takes, as JSON
 * @param {Uint8Array} [body]
 * @returns {Promise<Response>}
 */
export function ask(owners, owner, target, options, body) {
  const object = owners.get(owners.idFromName(owner));
  return object.fetch(`http://localhost${target}`, { ...JSON.parse(options), body });
}
