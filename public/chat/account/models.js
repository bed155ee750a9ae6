/** Longest wait for the list: the page works without it. */
const TIMEOUT_MS = 20_000;

/**
 * The models that may be chosen.
 *
 * @param {import("../api.js").Api} api
 * @returns {Promise<{ ids: string[], standard: string, instructions?: string } | undefined>} `undefined` where there is
 *   no list; `instructions`: the system prompt, where the service shows it
 */
export async function loadModels(api) {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const told = await api.json("/models", { signal });
    const { models, default: standard, system_prompt: prompt } = told;
    if (typeof standard !== "string" || standard === "") return undefined;
    const ids = models.map(({ id }) => id).filter((id) => typeof id === "string" && id !== "");
    const instructions = typeof prompt === "string" && prompt !== "" ? prompt : undefined;
    return { ids: [...new Set([standard, ...ids])], standard, instructions };
  } catch {
    return undefined;
  }
}
