/** Upstream's events → the client's frames, with exactly one final frame. */
import { ApiError, classify } from "./errors.mjs";

const MAX_EVENT_CHARACTERS = 1 << 20;
const TICK_MS = 1000;
const DRAIN_MS = 2000;
const FINISH_REASONS = {
  stop: "stop",
  eos: "stop",
  end_turn: "stop",
  stop_sequence: "stop",
  length: "length",
  max_tokens: "length",
  content_filter: "content_filter",
  safety: "content_filter",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  refusal: "refusal",
};
const FAILED_REASONS = ["error", "abort", "aborted", "cancelled", "failed", "timeout"];

const encoder = new TextEncoder();

export class Relay {
  #reader;
  #abort;
  #writer;
  #id;
  #config;
  #startedMs;
  #progressMs;
  #sentMs;
  #rest = "";
  #data = [];
  #output = "";
  #sequence = 0;
  #isComplete = false;
  #isRefusal = false;
  #finishReason;
  #usage;
  #firstTextMs;

  constructor({ response, abort }, writable, { config, id }) {
    this.#reader = response.body.getReader();
    this.#abort = abort;
    this.#writer = writable.getWriter();
    this.#id = id;
    this.#config = config;
    this.#startedMs = Date.now();
    this.#progressMs = this.#startedMs;
    this.#sentMs = this.#startedMs;
  }

  /** Runs the stream to its end. @returns how it ended, for the log */
  async run() {
    const clock = setInterval(() => this.#tick(), TICK_MS);
    let error;
    try {
      await this.#pump();
    } catch (thrown) {
      error = this.#failure(thrown);
    } finally {
      clearInterval(clock);
    }
    if (error?.code !== "client_gone") error = await this.#end(error);
    return {
      endReason: error?.endReason ?? "done",
      error: error?.code === "client_gone" ? undefined : error,
      firstTextMs: this.#firstTextMs,
      chunkCount: this.#sequence,
      finishReason: this.#finishReason,
      usage: this.#usage,
    };
  }

  async #pump() {
    const decoder = new TextDecoder("utf-8", { fatal: true });
    while (!this.#isComplete) {
      const { done, value } = await this.#reader.read();
      if (done) return;
      this.#progressMs = Date.now();
      this.#feed(decoder.decode(value, { stream: true }));
      if (this.#output !== "" && !this.#isComplete) await this.#flush();
    }
  }

  /** Reads up to the end of upstream's answer, so that its connection can serve the next request. */
  async drain() {
    const timer = setTimeout(() => this.#abort.abort(), DRAIN_MS);
    try {
      while (!(await this.#reader.read()).done);
    } catch {
      // The answer is told already.
    } finally {
      clearTimeout(timer);
    }
  }

  /** A client that has left shows by a write that fails. */
  async #flush() {
    const frames = this.#output;
    this.#output = "";
    this.#sentMs = Date.now();
    try {
      await this.#writer.write(encoder.encode(frames));
    } catch {
      throw new ApiError("client_gone");
    }
  }

  /** The final frame, and the end of the body. */
  async #end(error) {
    const isTold = this.#isComplete || this.#finishReason !== undefined;
    let failure = error;
    if (isTold) failure = undefined;
    else failure ??= new ApiError("upstream_truncated", { cause: "the bytes ended too soon" });
    const ending = failure
      ? failure.words
      : {
          finish_reason: this.#isRefusal ? "refusal" : (this.#finishReason ?? "stop"),
          usage: this.#usage,
        };
    this.#frame("", true, ending);
    try {
      await this.#flush();
      await this.#writer.close();
    } catch {
      return new ApiError("client_gone");
    }
    return failure;
  }

  /** Silence, an answer that takes too long, a client that has to hear something. */
  #tick() {
    const now = Date.now();
    const { timeoutMs, maxStreamMs, heartbeatMs } = this.#config;
    if (now - this.#startedMs >= maxStreamMs) {
      this.#abort.abort(
        new ApiError("stream_too_long", { cause: "longer than MAX_STREAM_SECONDS" }),
      );
    } else if (now - this.#progressMs >= timeoutMs) {
      this.#abort.abort(new ApiError("upstream_timeout", { cause: "silent for TIMEOUT_SECONDS" }));
    } else if (now - this.#sentMs >= heartbeatMs) {
      this.#sentMs = now;
      this.#writer.write(encoder.encode(": keep-alive\n\n")).catch(() => {
        this.#abort.abort(new ApiError("client_gone"));
      });
    }
  }

  #failure(thrown) {
    if (thrown instanceof ApiError) return thrown;
    if (this.#abort.signal.aborted) return ApiError.from(this.#abort.signal.reason);
    const isProtocol = thrown instanceof SyntaxError || thrown instanceof TypeError;
    const code = isProtocol ? "upstream_protocol" : "upstream_truncated";
    return new ApiError(code, { cause: isProtocol ? "unreadable event" : "the connection broke" });
  }

  #feed(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    if (this.#rest.length > MAX_EVENT_CHARACTERS) {
      throw new ApiError("upstream_protocol", { cause: "an event is too large" });
    }
    for (const line of lines) {
      if (this.#isComplete) return;
      this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
    }
  }

  #line(line) {
    if (line === "") {
      if (this.#data.length === 0) return;
      const data = this.#data.join("\n");
      this.#data = [];
      this.#event(data);
    } else if (line.startsWith("data:")) {
      this.#data.push(line.slice(line[5] === " " ? 6 : 5));
    }
  }

  #event(data) {
    if (data === "[DONE]") {
      this.#isComplete = this.#sequence > 0 || this.#finishReason !== undefined;
      return;
    }
    const event = JSON.parse(data);
    if (event.error) throw classify(event.error.status, event, true);
    const choice = event.choices?.find(({ index }) => index === 0) ?? event.choices?.[0];
    const { content, refusal } = choice?.delta ?? {};
    if (refusal) this.#isRefusal = true;
    if (content) this.#text(content);
    if (refusal) this.#text(refusal);
    if (event.usage) this.#usage = usage(event.usage);
    if (choice?.finish_reason) {
      const reason = choice.finish_reason.toLowerCase();
      if (FAILED_REASONS.includes(reason)) {
        throw new ApiError("upstream_unavailable", { cause: "a finish_reason that is a failure" });
      }
      this.#finishReason = FINISH_REASONS[reason] ?? "other";
    }
  }

  #text(content) {
    this.#firstTextMs ??= Date.now();
    this.#frame(content, false);
    this.#sequence += 1;
  }

  #frame(content, isFinal, ending) {
    const frame = {
      content,
      sequence: this.#sequence,
      is_final: isFinal,
      correlation_id: this.#id,
      ...ending,
    };
    this.#output += `data: ${JSON.stringify(frame)}\n\n`;
  }
}

function usage({ prompt_tokens: input, completion_tokens: output, total_tokens: total }) {
  return { input_tokens: input, output_tokens: output, total_tokens: total ?? input + output };
}
