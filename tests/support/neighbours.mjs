/** Innocent streams beside a fault: whatever happens to others, their bytes, their endings and their lines are exact. */
import assert from "node:assert/strict";
import { begin } from "./exchange.mjs";
import { finalFrame, frame, readFrames } from "./frames.mjs";
import { delta, done, finish, usage } from "./upstream.mjs";
import { within } from "./within.mjs";

const COUNT = 5;
const ENDING = {
  finish_reason: "stop",
  usage: { input_tokens: 9, output_tokens: 4, total_tokens: 13 },
};

class Neighbour {
  #app;
  #chat;
  #frames;
  #sequence = 0;

  /** Opens a stream and reads its first frame. */
  async open(app, upstream) {
    this.#app = app;
    this.#chat = await begin(app, upstream);
    this.#chat.call.open();
    this.#frames = readFrames(await this.#chat.response);
    await this.assertGoesOn();
    return this;
  }

  /** Shows that one more token of upstream's is the client's next frame, byte for byte. */
  async assertGoesOn() {
    const { id, call } = this.#chat;
    const content = `neighbourly token ${this.#sequence}`;
    call.write(delta(content));
    assert.equal(
      await this.#next(),
      frame(id, this.#sequence, content),
      "the neighbour's next frame",
    );
    this.#sequence += 1;
  }

  /** Shows that the client is told at once that nothing more comes, and that upstream is let go of. */
  async assertIsBrokenOff() {
    await assert.rejects(this.#next(), TypeError, "the client's connection breaks");
    assert.equal(
      await within(this.#chat.call.closed, "the end of the neighbour's call"),
      "aborted",
    );
  }

  /** The correlation id. */
  get id() {
    return this.#chat.id;
  }

  /** The bytes of the next frame, whatever heartbeats come before it. */
  async #next() {
    let read = await this.#frames.next();
    while (read.value?.comment !== undefined) read = await this.#frames.next();
    return read.value?.raw;
  }

  /** Ends the answer, and shows that its last bytes and all of its lines are those of a stream that was alone. */
  async assertEndsWell() {
    const { id, call } = this.#chat;
    call.end(finish("stop"), usage(9, 4), done);
    const last = finalFrame(id, this.#sequence, ENDING);
    assert.equal(await this.#next(), last, "the neighbour's last frame");
    assert.equal(await this.#next(), undefined, "nothing follows it");
    assert.equal(await within(call.closed, "the end of the neighbour's call"), "finished");
    const { record } = await this.#app.log("response_complete", id);
    assert.partialDeepStrictEqual(record, {
      status: "success",
      http_status: 200,
      end_reason: "done",
      chunk_count: this.#sequence,
      retries: 0,
      ...ENDING,
    });
    await this.#app.logsArrived();
    assert.deepEqual(
      this.#app
        .logsOf(id)
        .flatMap(({ record: { event } }) => (event === "chunk_sent" ? [] : event)),
      ["request_received", "stream_started", "response_complete"],
    );
  }
}

/** Several streams that are open beside whatever a test does. */
export class Neighbours {
  #all;

  constructor(all) {
    this.#all = all;
  }

  /** @returns {Promise<Neighbours>} streams that have begun */
  static async open(app, upstream, count = COUNT) {
    const all = [];
    for (let index = 0; index < count; index++) {
      all.push(await new Neighbour().open(app, upstream));
    }
    return new Neighbours(all);
  }

  /** Shows that each of them still flows. */
  async assertGoOn() {
    for (const each of this.#all) await each.assertGoesOn();
  }

  /** Shows that each of them is broken off. */
  async assertAreBrokenOff() {
    for (const each of this.#all) await each.assertIsBrokenOff();
  }

  get ids() {
    return this.#all.map((each) => each.id);
  }

  /** Ends them one after the other. */
  async assertEndWell() {
    for (const each of this.#all) await each.assertEndsWell();
  }
}
