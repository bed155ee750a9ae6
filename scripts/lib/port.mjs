import { createServer } from "node:net";
import { Failure } from "./process.mjs";

/** The port to serve on: `PORT` from the environment, or 8787. */
export function wantedPort() {
  const text = process.env.PORT?.trim() || "8787";
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new Failure(
    "PORT must be a whole number from 1 to 65535. For example: PORT=8788 npm start",
  );
}

/**
 * Makes sure that this machine lets us listen on a port.
 * @param {number} port
 * @throws {Failure} naming the port and how to take another
 */
export async function ensureFree(port) {
  const error = await new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () =>
      server.close(() => resolve(undefined)),
    );
  });
  if (!error) return;
  const why =
    error.code === "EADDRINUSE" ? "is taken by another program" : `cannot be used (${error.code})`;
  throw new Failure(
    `Port ${port} ${why}. Stop that program, or pick another port: PORT=${port === 65_535 ? 8788 : port + 1} npm start`,
  );
}
