/** A model's server that is only asked what it has. */
import { createServer } from "node:http";
import { after } from "node:test";
import { examine, lines, patientIn } from "../../scripts/lib/doctor.mjs";

export const KEY = "sk-test-0123456789abcdefghij";

export const MISSING = { error: { message: "no such model", code: "model_not_found" } };
export const INVALID = { error: { message: "not an object", type: "invalid_request_error" } };

/** The answers of one that has everything. */
export const WELL = {
  "GET /v1/models": [200, { data: [{ id: "luna" }, { id: "sol" }] }],
  "GET /v1/models/luna": [200, { id: "luna" }],
  "POST /v1/chat/completions": [400, INVALID],
};

/**
 * A server that answers these paths, each with a status, a body and headers, and everything else with 404. It ends with
 * the test or the file that started it.
 *
 * @param {Record<string, [number, unknown, object?] | "silence" | ((asked: { body: string }) => [number, unknown])>} answers
 *   by method and path. `silence` never answers. A body that is `endless` has a beginning alone.
 */
export async function modelServer(answers) {
  const asked = [];
  const http = createServer(async (request, response) => {
    const body = Buffer.concat(await Array.fromAsync(request)).toString();
    const path = `${request.method} ${request.url}`;
    asked.push({ path, body, key: request.headers.authorization });
    const found = answers[path] ?? [404, ""];
    if (found === "silence") return;
    const [status, value, headers] = typeof found === "function" ? found({ body }) : found;
    response.writeHead(status, { "content-type": "application/json", ...headers });
    if (value === "endless") response.write("{");
    else response.end(typeof value === "string" ? value : JSON.stringify(value));
  });
  await new Promise((resolve) => http.listen(0, "127.0.0.1", resolve));
  after(() => {
    http.closeAllConnections();
    http.close();
  });
  const host = `127.0.0.1:${http.address().port}`;
  return { host, url: `http://${host}/v1`, asked };
}

/** What is found, without the host, which is new each time. */
export async function findings(answers, vars = {}, patienceMs = 5000) {
  const { host, url, asked } = await modelServer(answers);
  const all = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: url, OPENAI_MODEL: "luna", ...vars };
  const found = lines(await examine(patientIn(all), patienceMs));
  return { found: found.map((line) => line.replace(host, "HOST")), asked };
}
