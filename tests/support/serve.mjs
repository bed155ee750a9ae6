/** `npm run serve` on a free port, a client of it, and the processes that belong to it. */
import { execFileSync } from "node:child_process";
import { connect } from "node:net";
import { makeTemporary } from "../../scripts/lib/temporary.mjs";
import { freePort, startScript } from "./script.mjs";
import { within } from "./within.mjs";

export const KEY = "sk-test-0123456789abcdefghij";
export const TOKEN = "a-token-of-at-least-sixteen";
export const READY = /^The assistant is at /;

/**
 * Starts the server, which has a key and an access token unless told otherwise, and waits until it is ready.
 *
 * @param {{ url: string }} upstream who answers
 * @param {Record<string, string>} [env] the rest of its environment
 */
export async function serve(upstream, env) {
  const port = await freePort();
  const usual = usualEnv(upstream);
  const script = startScript("serve.mjs", { env: { ...usual, PORT: `${port}`, ...env } });
  await script.line(READY);
  const address = `http://127.0.0.1:${port}`;
  return {
    port,
    address,
    script,
    /** Posts a chat. A header whose value is undefined is not sent. @returns {Promise<Response>} */
    chat(headers, signal) {
      const all = {
        "content-type": "application/json",
        authorization: `Bearer ${TOKEN}`,
        ...headers,
      };
      const sent = Object.entries(all).filter(([, value]) => value !== undefined);
      const init = { method: "POST", headers: sent, body: '{"message":"Hello"}', signal };
      return within(fetch(`${address}/chat`, init), "an answer");
    },
    /** The process that runs the worker. */
    runtime: () => processes().find(({ ppid, args }) => ppid === script.pid && isRuntime(args)),
  };
}

/** Each has a folder of its own, because two servers cannot share one. */
export function usualEnv(upstream) {
  return {
    DATA_DIR: makeTemporary("conversations-"),
    OPENAI_API_KEY: KEY,
    OPENAI_BASE_URL: upstream.url,
    OPENAI_MODEL: "from-the-environment",
    ACCESS_TOKENS: `me:${TOKEN}`,
  };
}

/**
 * Sends these very bytes over a connection of their own.
 *
 * @param {number} port
 * @param {string} bytes
 * @returns {Promise<{ status: number, headers: Headers, text: string }>}
 */
export async function wire(port, bytes) {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(bytes);
  const chunks = await within(
    Array.fromAsync(socket).catch(() => []),
    "the end of the answer",
  );
  const [head, ...rest] = Buffer.concat(chunks).toString().split("\r\n\r\n");
  const [first, ...lines] = head.split("\r\n");
  const headers = new Headers(lines.map((line) => line.split(/: (.*)/s, 2)));
  return { status: Number(first.split(" ")[1]), headers, text: rest.join("\r\n\r\n") };
}

/** All processes of this machine. @returns {{ pid: number, ppid: number, args: string }[]} */
export function processes() {
  const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,args="], { encoding: "utf8" });
  return lines.split("\n").flatMap((line) => {
    const [, pid, ppid, stat, args] = line.match(/^ *(\d+) +(\d+) +(\S+) +(.*)$/) ?? [];
    // Of a zombie nothing is left but its entry.
    return pid === undefined || stat.startsWith("Z")
      ? []
      : [{ pid: Number(pid), ppid: Number(ppid), args }];
  });
}

const isRuntime = (args) => / serve --control-fd=/.test(args);
