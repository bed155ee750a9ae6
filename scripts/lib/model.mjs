/**
 * Which model answers, and where; nothing secret that the address may carry.
 * @param {Record<string, string | undefined>} vars those that the worker has accepted
 */
export function modelOf({ OPENAI_MODEL, OPENAI_BASE_URL }) {
  const { host } = new URL(OPENAI_BASE_URL?.trim() || "https://api.openai.com/v1");
  return `${OPENAI_MODEL?.trim() || "its default model"} at ${host}`;
}
