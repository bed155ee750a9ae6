import { connect } from "node:net";
import { Failure, run } from "./process.mjs";

/** How long a server may stay silent before set-up calls it unreachable. */
export const PATIENCE_MS = 10_000;

/** How long it may take to accept a connection. */
const CONNECT_MS = 5000;

/** How npm, cargo, rustup and apt say that a server cannot be reached. */
const UNREACHABLE =
  /\b(EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)\b|(Could not resolve|Temporary failure resolving|Could not connect|Unable to connect|Timeout was reached)/;

/**
 * Runs a program that downloads. It is given up when it prints no sign of an answer from its server in time.
 * @param {string} command
 * @param {string[]} args
 * @param {{ server: string, sign: RegExp, env?: NodeJS.ProcessEnv }} options the server's name, and output that shows
 *   that it has answered
 * @returns {Promise<string>} its standard output
 * @throws {Failure}
 */
export async function download(command, args, { server, sign, env }) {
  const limits = { timeoutMs: PATIENCE_MS, untilSign: sign };
  try {
    return await run(command, args, { env, quiet: true, ...limits });
  } catch (error) {
    if (!(error instanceof Failure) || sign.test(error.output)) throw error;
    const reason = unreachableBecause(error);
    if (reason === undefined) throw error;
    throw unreachable(server, reason);
  }
}

/**
 * Why a program could not reach its server.
 * @param {Failure} failure
 * @returns {string | undefined} nothing when it failed for another reason
 */
export function unreachableBecause({ output, timedOut }) {
  const [, code, words] = output.match(UNREACHABLE) ?? [];
  return code ?? words ?? (timedOut ? `no answer within ${PATIENCE_MS / 1000} s` : undefined);
}

/**
 * @param {string} server
 * @param {string} reason
 */
export function unreachable(server, reason) {
  return new Failure(
    `${server} cannot be reached (${reason}), and set-up has to download from it. Check the network connection; ` +
      "behind a proxy, set HTTPS_PROXY and HTTP_PROXY. Then run the same command again: it goes on where it stopped.",
  );
}

/**
 * Why a server accepts no connections.
 * @param {string} url
 * @returns {Promise<string | undefined>} nothing when it accepts one, or when there is a proxy, which may know the way
 */
export async function connectionFailure(url) {
  if (Object.keys(process.env).some((name) => /^(https?|all)_proxy$/i.test(name))) return;
  const { hostname, port, protocol } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port) || (protocol === "http:" ? 80 : 443), hostname);
    const end = (reason) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reason);
    };
    const timer = setTimeout(end, CONNECT_MS, `no connection within ${CONNECT_MS / 1000} s`);
    socket.once("connect", () => end());
    socket.once("error", ({ code }) => end(code));
  });
}
