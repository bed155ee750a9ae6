/**
 * What a filled-in form asks for. It is shared by the form, which sends it, and by the snippets, which show how a program
 * would.
 *
 * @typedef {{ in: "path" | "query" | "header", name: string, value: string }} Field
 * @typedef {{ method: string, address: string, headers: [name: string, value: string][], body?: string }} Request
 */

/**
 * @param {{ method: string, path: string }} operation `path` may have places in it, as in `/answers/{id}`
 * @param {Field[]} fields those that are empty are left out
 * @param {{ body?: string, accept?: string }} [more]
 * @returns {Request} `address` is without its origin
 */
export function requestOf({ method, path }, fields, { body, accept } = {}) {
  const filled = fields.filter(({ value }) => value !== "");
  const query = new URLSearchParams(
    filled.filter((field) => field.in === "query").map(({ name, value }) => [name, value]),
  );
  const address = filled
    .filter((field) => field.in === "path")
    .reduce((all, { name, value }) => all.replace(`{${name}}`, encodePart(value)), path);
  const headers = filled
    .filter((field) => field.in === "header")
    .map(({ name, value }) => [name, value]);
  if (accept) headers.unshift(["Accept", accept]);
  if (body !== undefined) headers.unshift(["Content-Type", "application/json"]);
  return { method, address: query.size > 0 ? `${address}?${query}` : address, headers, body };
}

/** A colon needs no escape in a path, and ids have some. */
function encodePart(value) {
  return encodeURIComponent(value).replaceAll("%3A", ":");
}
