/**
 * What answers cost is counted to the token, whatever their ending. A scripted upstream sums what it sells; USAGE_SEED=…
 * repeats the choices.
 */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { errorBody } from "../support/errors.mjs";
import { startWorker } from "../support/harness.mjs";
import { startKept } from "../support/kept.mjs";
import { Person } from "../support/person.mjs";
import { randomOf } from "../support/random.mjs";
import { estimate, sentTokens, usageOf, usageOnce } from "../support/spending.mjs";
import { answer, delta, done, event, finish, startUpstream, usage } from "../support/upstream.mjs";

/** How many answers are asked for, and how many at a time. */
const ANSWERS = 1000;
const AT_ONCE = 16;

const SEED = Number(process.env.USAGE_SEED ?? Math.floor(Math.random() * 2 ** 32));
const random = randomOf(SEED);

const TEXTS = ["The", " answer", '"', "\\", "\n", "\u0000", "😀", "é", "\u2028", "👩‍👩‍👧"];
const MODELS = [undefined, "gpt-4o-mini", "vendor/model:free"];
const DEFAULT_MODEL = "gpt-4";

/** `MAX_TOKENS` where it is not set. */
const MAX_TOKENS = 2000;

/** What upstream has sold, by model. @type {Map<string, object>} */
const sold = new Map();

/** The endings of answers that are asked for, by the message. */
const asked = new Map();

const upstream = await startUpstream((call) => {
  const { message, act } = asked.get(call.body.messages.at(-1).content);
  assert.equal(call.body.messages.at(-1).content, message);
  act(call);
});
const app = await startKept({
  OPENAI_BASE_URL: upstream.url,
  ANONYMOUS_OWNER: "true",
  MAX_ANSWERS_AT_ONCE: "100",
  PRICES: `${DEFAULT_MODEL}=30/60.5,gpt-4o-mini=0.15/0.6`,
});
const me = new Person(app);

after(() => me.assertLogged());

/** Keeps what upstream sells with a call. */
function sell(call, input, output, isEstimated = false) {
  const { model } = call.body;
  const sums = sold.get(model) ?? { answers: 0, input: 0, output: 0, estimated: false };
  sold.set(model, {
    answers: sums.answers + 1,
    input: sums.input + input,
    output: sums.output + output,
    estimated: sums.estimated || isEstimated,
  });
}

const sellTold = (call) => {
  const [input, output] = [1 + random.below(5000), random.below(3000)];
  sell(call, input, output);
  return usage(input, output);
};

/** The same for an answer in one piece. */
const sellWhole = (call) => {
  const [prompt_tokens, completion_tokens] = [1 + random.below(100), random.below(100)];
  sell(call, prompt_tokens, completion_tokens);
  return { prompt_tokens, completion_tokens };
};

/** Has the next call for the same message get an answer. */
const succeedNextTime = (call) => {
  const { message } = asked.get(call.body.messages.at(-1).content);
  asked.set(message, { message, ...ENDINGS["its tokens are told"]() });
};

/** Sells so much that was seen, of which nobody tells the tokens. */
const sellUntold = (call, text) =>
  sell(call, sentTokens(call), estimate(Buffer.byteLength(text)), true);

/** Tells tokens too early: what was seen counts in the end, if that is more. */
const sellEarly = (call, text) => {
  const [input, told] = [1 + random.below(5000), random.below(6)];
  const seen = estimate(Buffer.byteLength(text));
  sell(call, input, Math.max(told, seen), seen > told);
  return usage(input, told);
};

/** Sells all that the answer was allowed to say: the model may have thought all the while. */
const sellAll = (call) => sell(call, sentTokens(call), MAX_TOKENS, true);

/** What the model thinks without being asked to tell. */
const thought = (text) =>
  event({ choices: [{ index: 0, delta: { reasoning_content: text, reasoning: text } }] });

const someTexts = () => Array.from({ length: 1 + random.below(6) }, () => random.pick(TEXTS));

/** Reads an answer to its end. */
const read = async (reply) => void (await reply.text());

/** Reads what upstream has said so far, and does something then. */
const readSome = (texts, act) => async (reply) => {
  for (const _ of texts) await reply.next();
  await act(reply);
};

/**
 * How an answer ends: what upstream does with the call, and what the client does with its reply.
 *
 * @type {Record<string, () => { act: (call: any) => unknown, read?: (reply: any) => unknown, isKept?: boolean }>}
 */
const ENDINGS = {
  "its tokens are told": () => ({
    act: (call) => call.end(...someTexts().map(delta), finish("stop"), sellTold(call), done),
  }),
  "nobody tells its tokens": () => {
    const texts = someTexts();
    return {
      act: (call) => {
        sellUntold(call, texts.join(""));
        call.end(...answer(...texts));
      },
    };
  },
  "no text at all": () => ({
    act: (call) => call.end(finish("length"), sellTold(call), done),
  }),
  "it is cut off, and its tokens were told": () => {
    const hasRead = Promise.withResolvers();
    return {
      act: async (call) => {
        call.write(sellEarly(call, "cut off here"), delta("cut off here"));
        await hasRead.promise;
        call.cut();
      },
      read: readSome([1], async (reply) => {
        hasRead.resolve();
        await reply.text();
      }),
    };
  },
  "it is cut off, and nobody told its tokens": () => {
    const texts = someTexts();
    return {
      act: (call) => {
        sellUntold(call, texts.join(""));
        call.end(...texts.map(delta));
      },
    };
  },
  "upstream fails in the middle": () => {
    const texts = someTexts();
    return {
      act: (call) => {
        sellUntold(call, texts.join(""));
        call.end(...texts.map(delta), event({ error: { message: "no", code: "server_error" } }));
      },
    };
  },
  "an event cannot be read": () => ({
    act: (call) => {
      sellUntold(call, "so far");
      call.end(delta("so far"), "data: {\n\n");
    },
  }),
  "it comes whole": () => ({
    act: (call) => {
      const message = { role: "assistant", content: "All at once" };
      const choices = [{ index: 0, message, finish_reason: "stop" }];
      call.respond(200, { choices, usage: sellWhole(call) });
    },
  }),
  "it comes whole, and has neither text nor end": () => ({
    act: (call) => {
      const choices = [{ index: 0, message: { content: "" }, finish_reason: null }];
      call.respond(200, { choices, usage: sellWhole(call) });
    },
  }),
  "it comes whole and has failed, and is tried again": () => ({
    act: (call) => {
      succeedNextTime(call);
      call.respond(200, { error: { code: "server_error" }, usage: sellWhole(call) });
    },
  }),
  "it is refused": () => ({
    act: (call) => call.respond(random.pick([400, 401, 402, 404, 413]), { error: { message: "" } }),
  }),
  "it is tried again": () => ({
    act: (call) => {
      succeedNextTime(call);
      call.respond(503, { error: { message: "" } }, { "retry-after-ms": "1" });
    },
  }),
  "its client leaves": () => {
    const texts = someTexts();
    return {
      isKept: false,
      act: (call) => {
        sellUntold(call, texts.join(""));
        call.write(...texts.map(delta));
      },
      read: readSome(texts, (reply) => reply.leave()),
    };
  },
  "its client leaves, and the model had thought unseen": () => {
    const [thoughts, texts] = [someTexts(), someTexts()];
    return {
      isKept: false,
      act: (call) => {
        sellUntold(call, [...thoughts, ...texts].join(""));
        call.write(...thoughts.map(thought), ...texts.map(delta));
      },
      read: readSome(texts, (reply) => reply.leave()),
    };
  },
  "its client leaves before anything has come": () => ({
    isKept: false,
    act: (call) => {
      sellAll(call);
      call.open();
    },
    read: (reply) => reply.leave(),
  }),
  "upstream fails before anything has come": () => ({
    act: (call) => call.end(event({ error: { message: "no", code: "server_error" } })),
  }),
  "it is cut off before anything has come": () => ({
    act: (call) => {
      sellUntold(call, "");
      call.end(delta(""));
    },
  }),
  "it comes whole, and cannot be read": () => {
    const text = random.pick([
      '{"choices":[{"message":{"content":{"a":1}},"finish_reason":"stop"}]}',
      '{"result":"Hi"}',
    ]);
    return {
      act: (call) => {
        sellUntold(call, text);
        call.respond(200, text);
      },
    };
  },
  "its client leaves, and it goes on": () => {
    const texts = someTexts();
    const left = Promise.withResolvers();
    return {
      isKept: true,
      act: async (call) => {
        call.write(...texts.map(delta));
        await left.promise;
        call.end(...someTexts().map(delta), finish("stop"), sellTold(call), done);
      },
      read: readSome(texts, async (reply) => {
        await reply.leave();
        left.resolve();
      }),
    };
  },
  "it is stopped": () => {
    const texts = someTexts();
    return {
      isKept: true,
      act: (call) => {
        sellUntold(call, texts.join(""));
        call.write(...texts.map(delta));
      },
      read: readSome(texts, async (reply) => {
        await (await me.stop(reply.answerId)).text();
        await (await me.stop(reply.answerId)).text();
        await reply.text();
      }),
    };
  },
  "it is stopped, and the model had thought unseen": () => {
    const [thoughts, texts] = [someTexts(), someTexts()];
    return {
      isKept: true,
      act: (call) => {
        sellUntold(call, [...thoughts, ...texts].join(""));
        call.write(...thoughts.map(thought), ...texts.map(delta));
      },
      read: readSome(texts, async (reply) => {
        await (await me.stop(reply.answerId)).text();
        await reply.text();
      }),
    };
  },
  "it is stopped before anything has come": () => ({
    isKept: true,
    act: (call) => {
      sellAll(call);
      call.open();
    },
    read: async (reply) => {
      await (await me.stop(reply.answerId)).text();
      await reply.text();
    },
  }),
  "it is stopped, and its tokens were told": () => ({
    isKept: true,
    act: (call) =>
      call.write(delta("Some"), sellEarly(call, "Some more text"), delta(" more text")),
    read: readSome([1, 2], async (reply) => {
      await (await me.stop(reply.answerId)).text();
      await reply.text();
    }),
  }),
  "its conversation is deleted": () => {
    const texts = someTexts();
    return {
      isKept: true,
      act: (call) => {
        sellUntold(call, texts.join(""));
        call.write(...texts.map(delta));
      },
      read: readSome(texts, async (reply) => {
        const init = { method: "DELETE" };
        await (await me.send(`/conversations/${reply.conversation}`, init)).text();
        await reply.text();
      }),
    };
  },
  "it is asked for again, and read again": () => ({
    isKept: true,
    act: (call) => call.end(delta("Once"), finish("stop"), sellTold(call), done),
    read: async (reply) => {
      const text = await reply.text();
      const again = await me.ask(reply.body, { "idempotency-key": reply.answerId });
      assert.equal(await again.text(), text);
      assert.equal(await (await me.answer(reply.answerId)).text(), text);
    },
  }),
};

let last = 0;

async function askOne() {
  const [, make] = random.pick(Object.entries(ENDINGS));
  const ending = make();
  last += 1;
  const message = `${last}: ${random.text(TEXTS, 40)}.`;
  asked.set(message, { message, ...ending });
  const isKept = ending.isKept ?? random.chance(0.5);
  const conversation = crypto.randomUUID();
  const body = {
    message,
    model: random.pick(MODELS),
    ...(isKept && { conversation_id: conversation }),
  };
  const reply = await me.ask(JSON.parse(JSON.stringify(body)));
  Object.assign(reply, { conversation, body });
  await (ending.read ?? read)(reply);
}

test(`of ${ANSWERS} answers of every ending, each is counted once, to the token (seed ${SEED})`, async () => {
  const workers = Array.from({ length: AT_ONCE }, async () => {
    while (last < ANSWERS) await askOne();
  });
  await Promise.all(workers);
  const counted = [...sold.values()].reduce((sum, { answers }) => sum + answers, 0);
  assert.ok(counted > ANSWERS / 2, `${counted}`);
  const { days, total } = await usageOnce(me, ({ total }) => total.answers >= counted);
  const byModel = new Map();
  // The test may run past midnight.
  for (const { models } of days) {
    for (const { model, answers, input_tokens, output_tokens, estimated = false } of models) {
      const sums = byModel.get(model) ?? { answers: 0, input: 0, output: 0, estimated: false };
      byModel.set(model, {
        answers: sums.answers + answers,
        input: sums.input + input_tokens,
        output: sums.output + output_tokens,
        estimated: sums.estimated || estimated,
      });
    }
  }
  assert.deepEqual(new Map([...byModel].sort()), new Map([...sold].sort()));
  const { input, output } = sold.get(DEFAULT_MODEL);
  const { input: inputOfMini, output: outputOfMini } = sold.get("gpt-4o-mini");
  const cost = input * 30 + output * 60.5 + inputOfMini * 0.15 + outputOfMini * 0.6;
  assert.ok(Math.abs(total.cost - cost / 1e6) < 1e-9, `${total.cost} ${cost / 1e6}`);
  assert.equal(total.unpriced, true);
  // Nothing more comes.
  await app.logsArrived();
  assert.deepEqual((await usageOf(me)).total, total);
});

test("deleting everything takes back nothing of what was spent", async () => {
  const { total } = await usageOf(me);
  const headers = { "x-confirm": "delete-everything" };
  await (await me.send("/conversations", { method: "DELETE", headers })).text();
  assert.deepEqual((await usageOf(me)).total, total);
});

for (const [query, field, rule] of [
  ["?from=yesterday", "from", "Input should be a date such as 2026-01-31"],
  ["?to=2026-02-29", "to", "Input should be a date such as 2026-01-31"],
  ["?from=%00&to=%ff", "from", "Input should be a date such as 2026-01-31"],
  ["?from=1970-01-01", "from", "Value error, should be at most 366 days"],
  [
    "?from=2026-02-02&to=2026-02-01",
    "to",
    "Value error, the last day should not be before the first one",
  ],
]) {
  test(`usage of no days is refused: ${query}`, async () => {
    const reply = await me.send(`/usage${query}`);
    assert.equal(reply.status, 400);
    const detail = `Field 'query.${field}': ${rule}`;
    assert.equal(await reply.text(), errorBody("validation_error", reply.id, detail));
  });
}

test("a day without answers is not listed", async () => {
  assert.deepEqual(await usageOf(me, "?from=2020-01-01&to=2020-12-31"), {
    from: "2020-01-01",
    to: "2020-12-31",
    days: [],
    total: {
      answers: 0,
      input_tokens: 0,
      output_tokens: 0,
      cached_tokens: 0,
      reasoning_tokens: 0,
      cost: 0,
    },
  });
});

test("without the binding OWNERS, nothing is counted, and the answer says so", async () => {
  const bare = new Person(await startWorker({ OPENAI_BASE_URL: upstream.url }));
  const reply = await bare.send("/usage");
  assert.equal(reply.status, 409);
  assert.equal(await reply.text(), errorBody("usage_unavailable", reply.id));
  await bare.assertLogged();
});
