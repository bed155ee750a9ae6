/** A proxy between a client and the worker, which a test can cut. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { after } from "node:test";

/**
 * Starts one. It passes every byte on until it is cut.
 *
 * @param {string} target the address that it leads to
 * @returns {Promise<{ url: string, cut: () => void }>} its own address; `cut` resets all that goes through it
 */
export async function startProxy(target) {
  const sockets = new Set();
  const server = createServer((client) => {
    const line = connect(new URL(target).port, "127.0.0.1");
    for (const [one, other] of [
      [client, line],
      [line, client],
    ]) {
      sockets.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  after(() => {
    cut();
    server.close();
  });
  return { url: `http://127.0.0.1:${server.address().port}`, cut };
}
