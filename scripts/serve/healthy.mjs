/** Exits with 0 if the server on this machine is ready, and with 1 if not: the health check of the container. */
const port = process.env.PORT?.trim() || "8787";
try {
  const answer = await fetch(`http://127.0.0.1:${port}/health/ready`, {
    signal: AbortSignal.timeout(4000),
  });
  process.exitCode = answer.ok ? 0 : 1;
} catch (error) {
  console.error(error.cause?.message ?? error.message);
  process.exitCode = 1;
}
