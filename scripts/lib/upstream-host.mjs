import { Failure } from "./process.mjs";

/** Where a base URL points, without anything secret that it may carry. */
export function upstreamHost(url = "https://api.openai.com/v1") {
  if (URL.canParse(url)) return new URL(url).host;
  throw new Failure("OPENAI_BASE_URL is not a URL. For example: https://api.openai.com/v1");
}
