/** `npm run deploy`: mistakes are reported before anything is deployed. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fakeWrangler, startScript } from "../support/script.mjs";
import { assertFits, unwrapped } from "../support/words.mjs";

const folder = mkdtempSync(join(tmpdir(), "deploy-"));
after(() => rmSync(folder, { recursive: true }));

const LOGGED_IN = { whoami: { out: '{"loggedIn": true}' } };
const OUR_SECRETS = [
  { name: "OPENAI_API_KEY", type: "secret_text" },
  { name: "ACCESS_TOKENS", type: "secret_text" },
];
const listed = (...secrets) => ({ "secret list": { out: JSON.stringify(secrets, null, 2) } });
/** The binding of the objects that keep and count. */
const OWNERS = '[[durable_objects.bindings]]\nname = "OWNERS"\nclass_name = "Owner"\n';
const DEPLOYS = { deploy: { out: "Deployed.\n" } };

/** Runs it with a fake wrangler that gives these answers, or with the real one when there are none. */
async function deploy(args, answers) {
  const fake = answers && fakeWrangler(answers);
  // Nobody is logged in where nothing is stored.
  const env = { HOME: folder, XDG_CONFIG_HOME: folder, ...fake?.env };
  const script = startScript("deploy.mjs", { args, env });
  const code = await script.end();
  assertFits(script.words);
  const words = unwrapped(script.words.join("\n").trim());
  return { code, calls: fake?.calls(), output: script.output.join("\n"), words };
}

function configOf(toml) {
  const path = join(folder, `${crypto.randomUUID()}.toml`);
  writeFileSync(path, `compatibility_date = "2026-11-17"\n${toml}`);
  return path;
}

/** A configuration whose server is not asked how it is, and no test reaches the internet. */
const HERE = configOf(
  '[vars]\nOPENAI_BASE_URL = "http://127.0.0.1:8000/v1"\nREQUIRE_AUTH = "true"\n',
);

test("a dry run of the shipped configuration needs no account, and prints sizes, bindings and secrets", async () => {
  const { code, output, words } = await deploy(["--dry-run"]);
  assert.equal(code, 0, words);
  assert.match(output, /^Configuration: the worker accepts it$/m);
  assert.match(output, /^Total Upload: [\d.]+ KiB \/ gzip: [\d.]+ KiB$/m);
  assert.match(output, /^env\.REQUIRE_AUTH \("true"\)/m);
  assert.match(output, /^env\.CHAT_RATE_LIMITER \(30 requests\/60s\)/m);
  assert.match(output, /^env\.OWNERS \(Owner\) +Durable Object/m);
  assert.match(
    output,
    /^Nothing was deployed\. A deployment needs these secrets: OPENAI_API_KEY,\nACCESS_TOKENS\.$/m,
  );
});

test("without a login, it says how to log in", async () => {
  const { code, words } = await deploy([]);
  assert.equal(code, 1);
  assert.equal(
    words,
    "wrangler is not logged in to Cloudflare. Run 'npx wrangler login'; where there is no browser, set " +
      "CLOUDFLARE_API_TOKEN to a token that may edit Workers. Then try again.",
  );
});

test("with its secrets, it is deployed, and wrangler gets the arguments", async () => {
  const answers = { ...LOGGED_IN, ...listed(...OUR_SECRETS), ...DEPLOYS };
  const args = ["--config", HERE, "--name", "other", "--message", "a b"];
  const { code, calls, output } = await deploy(args, answers);
  assert.equal(code, 0);
  assert.deepEqual(calls, [
    "whoami --json",
    `secret list --format json --config ${HERE} --name other`,
    `deploy --config ${HERE} --name other --message a b`,
  ]);
  assert.match(output, /^Deployed\.$/m);
});

test("a missing secret is named with the command that sets it", async () => {
  const answers = { ...LOGGED_IN, ...listed(OUR_SECRETS[0]), ...DEPLOYS };
  const { code, calls, words } = await deploy([], answers);
  assert.equal(code, 1);
  assert.equal(
    words,
    "The deployment lacks secrets that only you can set. Run this, and then deploy again:\n\n" +
      "  # me:TOKEN, with a TOKEN from 'openssl rand -hex 32'\n" +
      "  npx wrangler secret put ACCESS_TOKENS",
  );
  assert.ok(!calls.some((call) => call.startsWith("deploy")));
});

test("before the first deployment, its secrets come first", async () => {
  const error =
    'Worker "personal-ai-assistant" not found.\n\nIf this is a new Worker, run `wrangler deploy` first.';
  const answers = { ...LOGGED_IN, "secret list": { error, code: 1 }, ...DEPLOYS };
  const { code, calls, words } = await deploy([], answers);
  assert.equal(code, 1);
  assert.match(
    words,
    /^There is no deployment yet\. .*\n\n {2}# .*\n {2}npx wrangler secret put OPENAI_API_KEY\n {2}# .*\n {2}npx wrangler secret put ACCESS_TOKENS$/,
  );
  assert.ok(!calls.some((call) => call.startsWith("deploy")));
});

test("secrets that are uploaded with the deployment need not be stored already", async () => {
  const error = 'Worker "personal-ai-assistant" not found.';
  const answers = { ...LOGGED_IN, "secret list": { error, code: 1 }, ...DEPLOYS };
  for (const [name, text] of [
    ["secrets.env", "OPENAI_API_KEY=sk-x\nACCESS_TOKENS=me:0123456789abcdef\n"],
    ["secrets.json", '{"OPENAI_API_KEY":"sk-x","ACCESS_TOKENS":"me:0123456789abcdef"}'],
  ]) {
    const path = join(folder, name);
    writeFileSync(path, text);
    const { code, words } = await deploy(["--config", HERE, "--secrets-file", path], answers);
    assert.equal(code, 0, words);
  }
});

test("an open deployment needs no tokens", async () => {
  const config = configOf(
    '[vars]\nOPENAI_BASE_URL = "http://127.0.0.1:8000/v1"\nREQUIRE_AUTH = "false"\n',
  );
  const answers = { ...LOGGED_IN, ...listed(OUR_SECRETS[0]), ...DEPLOYS };
  const { code, words } = await deploy(["--config", config], answers);
  assert.equal(code, 0, words);
});

test("other errors from Cloudflare are passed on", async () => {
  const answers = {
    ...LOGGED_IN,
    "secret list": { error: "Authentication error [code: 10000]", code: 1 },
  };
  const { code, words } = await deploy([], answers);
  assert.equal(code, 1);
  assert.match(words, /Authentication error \[code: 10000\]/);
});

/** @type {[rule: string, toml: string, args: string[], words: RegExp[]][]} */
const WRONG = [
  [
    "every wrong variable is named in the worker's words, numbers and booleans too",
    '[vars]\nMAX_TOKENS = 0\nLOG_LEVEL = "LOUD"\nOPENAI_BASE_URL = "http://example.com/v1"\nALLOW_HTTP_UPSTREAM = false\n',
    [],
    [
      /^The worker rejects \[vars\] in wrangler\.toml\. Nothing was deployed\.$/m,
      /^ {2}MAX_TOKENS must/m,
      /^ {2}LOG_LEVEL must/m,
      /^ {2}OPENAI_BASE_URL must/m,
    ],
  ],
  [
    "another environment has its own variables",
    '[vars]\nLOG_LEVEL = "INFO"\n[env.staging.vars]\nLOG_LEVEL = "LOUD"\n',
    ["--env", "staging"],
    [/^ {2}LOG_LEVEL must/m],
  ],
  [
    "a budget wants the binding that counts, which an environment does not inherit",
    `${OWNERS}[env.staging.vars]\nDAILY_TOKENS = 1000\n`,
    ["--env", "staging"],
    [/^ {2}DAILY_TOKENS needs the binding OWNERS/m],
  ],
  [
    "a secret in the file is refused",
    '[vars]\nACCESS_TOKENS = "me:0123456789abcdef"\n',
    [],
    [/^wrangler\.toml contains ACCESS_TOKENS, .*'npx wrangler secret put ACCESS_TOKENS'/],
  ],
];

test("a fallback at another server needs a secret of its own", async () => {
  const toml = 'FALLBACK_MODELS = "m"\nFALLBACK_BASE_URL = "https://x.example/v1"\n';
  const { code, output, words } = await deploy(
    ["--config", configOf(`[vars]\n${toml}`), "--dry-run"],
    {
      ...DEPLOYS,
    },
  );
  assert.equal(code, 0, words);
  assert.match(output, /needs these secrets: OPENAI_API_KEY,\s+FALLBACK_API_KEY\.$/m);
});

test("budgets are accepted, by name too: whose tokens there are is a secret", async () => {
  const budgets = 'DAILY_TOKENS = "phone=0,*=200000"\nPRICES = "*=1/2"\nMONTHLY_COST = "5"\n';
  const config = configOf(`[vars]\n${budgets}${OWNERS}`);
  const { code, words } = await deploy(["--config", config, "--dry-run"], DEPLOYS);
  assert.equal(code, 0, words);
});

test("a fallback key without FALLBACK_MODELS is refused before the deployment", async () => {
  const secret = "FALLBACK_API_KEY";
  const file = join(folder, "left.json");
  const ours = { OPENAI_API_KEY: "sk-x", ACCESS_TOKENS: "me:0123456789abcdef" };
  writeFileSync(file, JSON.stringify({ ...ours, [secret]: "sk-y" }));
  const [inFile, isStored] = [
    ["--secrets-file", file],
    [...OUR_SECRETS, { name: secret }],
  ];
  const command = `with 'npx wrangler secret delete ${secret} --config ${HERE}'`;
  for (const [args, stored, advice] of [
    [[], isStored, command],
    [inFile, [], `from ${file}`],
    [inFile, isStored, `from ${file}, and ${command}`],
  ]) {
    const answers = { ...LOGGED_IN, ...listed(...stored), ...DEPLOYS };
    const { code, words, calls } = await deploy(["--config", HERE, ...args], answers);
    assert.equal(code, 1);
    assert.match(words, /has no FALLBACK_MODELS, /);
    assert.ok(words.includes(`or remove the secret ${advice}.`), words);
    assert.ok(!calls.some((call) => call.startsWith("deploy")));
  }
});

for (const [rule, toml, args, patterns] of WRONG) {
  test(rule, async () => {
    const { code, words, calls } = await deploy(["--config", configOf(toml), ...args], {});
    assert.equal(code, 1);
    for (const pattern of patterns) assert.match(words, pattern);
    assert.deepEqual(calls, []);
  });
}

test("a variable that the worker does not know is mentioned", async () => {
  const config = configOf('[vars]\nOPENAI_MODLE = "gpt-4"\n');
  const { output } = await deploy(["--config", config, "--dry-run"], DEPLOYS);
  assert.match(
    output,
    /^Note: \[vars\] in wrangler\.toml has OPENAI_MODLE, which the worker does not know\.$/m,
  );
});

test("the model's server is asked with the key of the secrets file, and a fault of it stops nothing", async () => {
  const config = configOf('[vars]\nOPENAI_BASE_URL = "https://nowhere.invalid/v1"\n');
  const secrets = join(folder, "asked.json");
  writeFileSync(secrets, '{"OPENAI_API_KEY":"sk-x","ACCESS_TOKENS":"me:0123456789abcdef"}');
  const answers = { ...LOGGED_IN, ...listed(), ...DEPLOYS };
  const { code, output } = await deploy(["--config", config, "--secrets-file", secrets], answers);
  assert.equal(code, 0);
  assert.ok(unwrapped(output).includes(`Asking the model's server, with the key of ${secrets}`));
  assert.match(output, /^✗ nowhere\.invalid does not answer: .+\.\n(.+\n)?Deployed\.$/m);
});

test("a model's server on this machine is mentioned, for no deployment reaches it", async () => {
  const answers = { ...LOGGED_IN, ...listed(...OUR_SECRETS), ...DEPLOYS };
  for (const host of ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"]) {
    const config = configOf(`[vars]\nOPENAI_BASE_URL = "http://${host}/v1"\n`);
    const { code, output } = await deploy(["--config", config], answers);
    assert.equal(code, 0);
    assert.match(
      output,
      /^Note: OPENAI_BASE_URL is on this machine, where no deployment can reach it\.$/m,
    );
  }
});

test("a secrets file that is no JSON is not quoted", async () => {
  const path = join(folder, "broken.json");
  writeFileSync(path, '{"OPENAI_API_KEY": sk-0123456789');
  const { code, output, words } = await deploy(["--secrets-file", path], LOGGED_IN);
  assert.equal(code, 1);
  assert.equal(words, "The secrets file begins like JSON, but is none.");
  assert.ok(!output.includes("sk-"));
});
