import { createServer } from "node:net";
import { Failure } from "./process.mjs";

const DEFAULT_PORT = 8787;

/**
 * The port to serve on: `PORT` from the environment, or 8787.
 * @param {string} [command] the command that a failure recommends
 */
export function wantedPort(command = "npm start") {
  const text = process.env.PORT?.trim() || `${DEFAULT_PORT}`;
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new Failure(
    `PORT must be a whole number from 1 to 65535. For example: PORT=${DEFAULT_PORT + 1} ${command}`,
  );
}

/**
 * Makes sure that we can listen on a port.
 * @param {number} port
 * @param {{ host?: string, command?: string }} [options] the address, and the command that a failure recommends
 * @throws {Failure} when we cannot; it recommends another port
 */
export async function ensureFree(port, { host = "127.0.0.1", command = "npm start" } = {}) {
  const error = await new Promise((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
  if (!error) return;
  if (["EADDRNOTAVAIL", "ENOTFOUND", "EAI_AGAIN"].includes(error.code)) {
    throw new Failure(
      `HOST must be an address of this machine, and ${host} is not (${error.code}).`,
    );
  }
  const why =
    error.code === "EADDRINUSE" ? "is taken by another program" : `cannot be used (${error.code})`;
  const other = port === 65_535 ? DEFAULT_PORT + 1 : port + 1;
  throw new Failure(
    `Port ${port} ${why}. Stop that program, or choose another port: PORT=${other} ${command}`,
  );
}
