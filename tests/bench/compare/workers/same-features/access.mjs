/** Who may ask: hosts, origins, bearer tokens. */
import { ApiError } from "./errors.mjs";

/** Only digests of the tokens are kept. */
export function accessTokens(entries) {
  return entries.map((entry, index) => {
    const colon = entry.indexOf(":");
    return {
      name: colon < 0 ? `token-${index + 1}` : entry.slice(0, colon),
      digest: digest(entry.slice(colon + 1)),
    };
  });
}

/** The name of the token that a request carries. Every token is compared, in constant time. */
export async function authorize(request, { accessTokens }) {
  if (accessTokens.length === 0) return undefined;
  const authorization = request.headers.get("authorization");
  const [, token] = authorization?.match(/^bearer +([!-+\--~]{16,256})$/i) ?? [];
  if (!token) throw unauthorized("Bearer");
  const sent = await digest(token);
  let client;
  for (const { name, digest } of accessTokens) {
    if (crypto.subtle.timingSafeEqual(sent, await digest)) client = name;
  }
  if (!client) throw unauthorized('Bearer error="invalid_token"');
  return client;
}

/** Lets a host and an origin in. @returns the headers that tell a browser so */
export function admit(request, url, { allowedHosts, allowedOrigins }) {
  const isLocal = /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (allowedHosts.length > 0 && !isLocal && !allowedHosts.includes(url.hostname)) {
    throw new ApiError("origin_not_allowed");
  }
  const origin = request.headers.get("origin");
  const allowsAny = allowedOrigins.length === 0 || allowedOrigins.includes("*");
  const isAllowed = allowsAny || origin === url.origin || allowedOrigins.includes(origin);
  if (origin && !isAllowed)
    throw new ApiError("origin_not_allowed", { headers: { vary: "Origin" } });
  const headers = {
    "cross-origin-resource-policy": allowsAny || origin ? "cross-origin" : "same-origin",
  };
  if (!allowsAny) headers.vary = "Origin";
  if (allowsAny || origin) {
    headers["access-control-allow-origin"] = allowsAny ? "*" : origin;
    headers["access-control-expose-headers"] = "X-Correlation-Id, Retry-After";
  }
  return headers;
}

function digest(token) {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(token));
}

function unauthorized(challenge) {
  return new ApiError("unauthorized", { headers: { "www-authenticate": challenge } });
}
