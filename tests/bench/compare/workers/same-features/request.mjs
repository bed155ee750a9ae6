/** The body of `POST /chat`, read with a bound and validated. The first broken rule is the one reported. */
import { ApiError } from "./errors.mjs";

const MAX_BODY_BYTES = 65_536;
const MAX_MESSAGE_CHARACTERS = 8_000;
const MAX_MODEL_CHARACTERS = 128;
const MAX_HISTORY_TURNS = 64;
const MAX_HISTORY_CHARACTERS = 32_000;

export async function readChatRequest(request, config) {
  checkMedia(request.headers);
  const body = parse(await readBody(request, config.timeoutMs));
  const text = string("body.message", body.message, MAX_MESSAGE_CHARACTERS);
  const message = text.trim();
  if (message === "")
    throw ApiError.invalid("body.message", "Value error, message must not be blank");
  return {
    message,
    messageLength: characters(text),
    namesModel: body.model != null,
    model: model(body.model, config),
    maxTokens: maxTokens(body.max_tokens, config),
    history: history(body.history),
  };
}

function checkMedia(headers) {
  const [type] = (headers.get("content-type") ?? "").split(";");
  const encoding = headers.get("content-encoding") ?? "identity";
  if (type.trim().toLowerCase() !== "application/json" || encoding !== "identity") {
    throw new ApiError("unsupported_media_type");
  }
}

/** Never holds more than the bound and one chunk. */
async function readBody(request, timeoutMs) {
  if (Number(request.headers.get("content-length")) > MAX_BODY_BYTES) {
    throw new ApiError("body_too_large");
  }
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const reader = request.body?.getReader();
  const timer = setTimeout(() => reader?.cancel(new ApiError("request_timeout")), timeoutMs);
  const deadline = Date.now() + timeoutMs;
  let text = "";
  let bytes = 0;
  try {
    while (reader) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      if (bytes > MAX_BODY_BYTES) throw new ApiError("body_too_large");
      text += decoder.decode(value, { stream: true });
    }
    if (Date.now() >= deadline) throw new ApiError("request_timeout");
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw ApiError.invalid("body", "JSON decode error: the body ended too soon or is not UTF-8");
  } finally {
    clearTimeout(timer);
  }
}

function parse(text) {
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    throw ApiError.invalid("body", "JSON decode error: invalid JSON");
  }
  if (!isObject(body)) throw ApiError.invalid("body", "Input should be a valid object");
  return body;
}

function string(field, value, max = Number.POSITIVE_INFINITY, min = 1) {
  if (value === undefined) throw ApiError.invalid(field, "Field required");
  if (typeof value !== "string" || !value.isWellFormed()) {
    throw ApiError.invalid(field, "Input should be a valid string");
  }
  const length = characters(value);
  if (length < min) throw ApiError.invalid(field, "String should have at least 1 character");
  if (length > max) throw ApiError.invalid(field, `String should have at most ${max} characters`);
  return value;
}

function model(value, { defaultModel, allowedModels }) {
  if (value == null) return defaultModel;
  const field = "body.model";
  const name = string(field, value, MAX_MODEL_CHARACTERS);
  if (!/^[A-Za-z0-9._:/-]+$/.test(name)) {
    throw ApiError.invalid(field, "String should match pattern '^[A-Za-z0-9._:/-]+$'");
  }
  if (allowedModels.length > 0 && name !== defaultModel && !allowedModels.includes(name)) {
    throw ApiError.invalid(field, "Value error, model is not allowed");
  }
  return name;
}

function maxTokens(value, { maxTokens, maxTokensLimit }) {
  if (value == null) return maxTokens;
  const field = "body.max_tokens";
  if (!Number.isInteger(value)) throw ApiError.invalid(field, "Input should be a valid integer");
  if (value < 1) throw ApiError.invalid(field, "Input should be greater than or equal to 1");
  if (value > maxTokensLimit) {
    throw ApiError.invalid(field, `Input should be less than or equal to ${maxTokensLimit}`);
  }
  return value;
}

function history(value) {
  if (value == null) return [];
  const field = "body.history";
  if (!Array.isArray(value)) throw ApiError.invalid(field, "Input should be a valid list");
  if (value.length > MAX_HISTORY_TURNS) {
    throw ApiError.invalid(field, `List should have at most ${MAX_HISTORY_TURNS} items`);
  }
  const turns = value.map((turn, index) => {
    const at = `${field}[${index}]`;
    if (!isObject(turn)) throw ApiError.invalid(at, "Input should be a valid object");
    const { role, content } = turn;
    if (role === undefined) throw ApiError.invalid(`${at}.role`, "Field required");
    if (role !== "user" && role !== "assistant") {
      throw ApiError.invalid(`${at}.role`, "Input should be 'user' or 'assistant'");
    }
    return { role, content: string(`${at}.content`, content, Number.POSITIVE_INFINITY, 0) };
  });
  const total = turns.reduce((sum, { content }) => sum + characters(content), 0);
  if (total > MAX_HISTORY_CHARACTERS) {
    throw ApiError.invalid(field, `Value error, at most ${MAX_HISTORY_CHARACTERS} characters`);
  }
  return turns;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Unicode scalar values, not UTF-16 units. */
function characters(text) {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
