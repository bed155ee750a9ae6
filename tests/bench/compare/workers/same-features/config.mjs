/** Variables → settings; `problem` says which one is missing or invalid. */
import { accessTokens } from "./access.mjs";

export function loadConfig(env) {
  const text = (name, fallback) => env[name]?.trim() || fallback;
  const list = (name) =>
    text(name, "")
      .split(",")
      .map((entry) => entry.trim())
      .filter(Boolean);
  let problem;
  const number = (name, fallback) => {
    const value = Number(text(name, fallback));
    if (!(value > 0)) problem ??= `${name} must be a number greater than 0.`;
    return value;
  };

  const apiKey = text("OPENAI_API_KEY", "");
  if (!apiKey) problem ??= "OPENAI_API_KEY is required.";
  const tokens = list("ACCESS_TOKENS");
  if (tokens.length === 0 && text("REQUIRE_AUTH") === "true") {
    problem ??= "ACCESS_TOKENS is required.";
  }
  const maxTokens = number("MAX_TOKENS", 2000);
  const config = {
    apiKey,
    baseUrl: text("OPENAI_BASE_URL", "https://api.openai.com/v1"),
    defaultModel: text("OPENAI_MODEL", "gpt-4"),
    allowedModels: list("ALLOWED_MODELS"),
    systemPrompt: text("SYSTEM_PROMPT", "You are a helpful assistant."),
    maxTokens,
    maxTokensLimit: number("MAX_TOKENS_LIMIT", Math.max(maxTokens, 4000)),
    timeoutMs: number("TIMEOUT_SECONDS", 30) * 1000,
    maxStreamMs: number("MAX_STREAM_SECONDS", 300) * 1000,
    heartbeatMs: number("HEARTBEAT_SECONDS", 15) * 1000,
    maxRetries: Number(text("MAX_RETRIES", 2)),
    allowedOrigins: list("ALLOWED_ORIGINS"),
    allowedHosts: list("ALLOWED_HOSTS"),
    accessTokens: accessTokens(tokens),
    rateLimiter: env.CHAT_RATE_LIMITER,
    logLevel: text("LOG_LEVEL", "INFO").toUpperCase(),
    secrets: [apiKey, ...tokens.map((entry) => entry.slice(entry.indexOf(":") + 1))].filter(
      Boolean,
    ),
  };
  return { ...config, problem };
}
