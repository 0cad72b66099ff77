// The Node packages `openai` and `portkey-ai` against the gateway.

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { createHash, randomUUID } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";

import OpenAI, { toFile } from "openai";
import { createHeaders, Portkey } from "portkey-ai";

globalThis.File ??= File; // older Node versions keep it in node:buffer

const {
  SDK_TEST_GATEWAY: GATEWAY,
  SDK_TEST_OPEN_GATEWAY: OPEN_GATEWAY,
  SDK_TEST_CONTROL: CONTROL,
  SDK_TEST_GATEWAY_KEY: GATEWAY_KEY,
  SDK_TEST_DEFAULT_KEY: DEFAULT_KEY,
  SDK_TEST_LIMITED_KEY: LIMITED_KEY,
  SDK_TEST_OPENAI_KEY: OPENAI_KEY,
} = process.env;

const CONFIG = { provider: "openai", api_key: OPENAI_KEY };
const WORDS = 'naïve ☃ "quoted"';
const MESSAGES = [{ role: "user", content: WORDS }];
const RATE_LIMITED_MODEL = "model-rate-limited";
const INVALID_KEY = "Portkey Error: Invalid API Key. Error Code: 03";
const NO_PROVIDER = "Either x-portkey-config or x-portkey-provider header is required";
const WRONG_KEY = `${GATEWAY_KEY.slice(0, -1)}x`;
// Every byte value, line ends of both kinds, and what looks like a form's boundary.
const FILE = Buffer.concat([
  Buffer.alloc(256 * 1024, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))),
  Buffer.from("\r\n--boundary--\r\n\n\r\0"),
]);
const FILE_ID = `file-${createHash("sha256").update(FILE).digest("hex")}`;

const openai = (gateway, apiKey, headers) => () =>
  new OpenAI({
    baseURL: `${gateway}/v1`,
    apiKey,
    defaultHeaders: createHeaders(headers),
    maxRetries: 0,
    timeout: 20_000,
  });
const portkey = (gateway, options) => () => new Portkey({ baseURL: `${gateway}/v1`, ...options });

// The ways in which a caller shows its gateway key and its provider credential. On some routes `portkey-ai` puts the
// gateway key into `Authorization` too: it must not be taken for the provider's.
const CLIENTS = {
  "openai, provider header": openai(GATEWAY, OPENAI_KEY, { apiKey: GATEWAY_KEY, provider: "openai" }),
  "openai, config": openai(GATEWAY, "not-a-credential", { apiKey: GATEWAY_KEY, config: CONFIG }),
  "openai, gateway key as bearer": openai(GATEWAY, GATEWAY_KEY, { config: CONFIG }),
  "openai, gateway key twice": openai(GATEWAY, GATEWAY_KEY, { apiKey: GATEWAY_KEY, config: CONFIG }),
  "openai, open mode, provider header": openai(OPEN_GATEWAY, OPENAI_KEY, { provider: "openai" }),
  "openai, open mode, config": openai(OPEN_GATEWAY, "not-a-credential", { config: CONFIG }),
  "portkey, config": portkey(GATEWAY, { apiKey: GATEWAY_KEY, config: CONFIG }),
  "portkey, provider": portkey(GATEWAY, {
    apiKey: GATEWAY_KEY,
    provider: "openai",
    Authorization: `Bearer ${OPENAI_KEY}`,
  }),
  "portkey, open mode, config": portkey(OPEN_GATEWAY, { config: CONFIG }),
  "portkey, open mode, provider": portkey(OPEN_GATEWAY, { provider: "openai", Authorization: `Bearer ${OPENAI_KEY}` }),
};

// The provider's credential is the gateway's; what these clients send as one must not arrive.
const STORED_CLIENTS = {
  "openai, slug": openai(GATEWAY, "not-a-credential", { apiKey: GATEWAY_KEY, provider: "@openai-prod" }),
  "openai, virtual key": openai(GATEWAY, OPENAI_KEY, { apiKey: GATEWAY_KEY, virtualKey: "openai-prod" }),
  "openai, saved config": openai(GATEWAY, "not-a-credential", { apiKey: GATEWAY_KEY, config: "pc-stored" }),
  "openai, gateway key as bearer, saved config": openai(GATEWAY, GATEWAY_KEY, { config: "pc-stored" }),
  "openai, default config": openai(GATEWAY, DEFAULT_KEY, {}),
  "portkey, slug": portkey(GATEWAY, { apiKey: GATEWAY_KEY, provider: "@openai-prod" }),
  "portkey, virtual key": portkey(GATEWAY, { apiKey: GATEWAY_KEY, virtualKey: "openai-prod" }),
  "portkey, saved config": portkey(GATEWAY, { apiKey: GATEWAY_KEY, config: "pc-stored" }),
  "portkey, default config": portkey(GATEWAY, { apiKey: DEFAULT_KEY }),
};
Object.assign(CLIENTS, STORED_CLIENTS);

async function control(method, path) {
  const response = await fetch(CONTROL + path, { method, signal: AbortSignal.timeout(10_000) });
  return response.json();
}
const requestsAtProvider = () => control("GET", "/requests");
const streamIsFinished = async (model) => (await control("GET", `/streams/${model}`)).finished;
const finishStream = (model) => control("POST", `/streams/${model}`);
const newModel = () => `model-${randomUUID()}`; // the provider holds streams by model

beforeEach(() => control("POST", "/reset"));
afterEach(async () => {
  const refused = (await requestsAtProvider()).filter((request) => !request.accepted);
  assert.deepEqual(refused, []);
});

for (const [name, newClient] of Object.entries(CLIENTS)) {
  test(`chat completion [${name}]`, async () => {
    const model = newModel();
    const completion = await newClient().chat.completions.create({ model, messages: MESSAGES });
    assert.equal(completion.model, model);
    assert.equal(completion.choices[0].message.content, WORDS);
    const arrived = (await requestsAtProvider()).map(({ path, stored }) => ({ path, stored }));
    assert.deepEqual(arrived, [{ path: "/v1/chat/completions", stored: name in STORED_CLIENTS }]);
  });

  test(`stream arrives chunk by chunk [${name}]`, async () => {
    const model = newModel();
    const stream = await newClient().chat.completions.create({ model, messages: MESSAGES, stream: true });
    const chunks = stream[Symbol.asyncIterator]();
    const first = await chunks.next();
    assert.equal(first.value.choices[0].delta.content, "first");
    assert.equal(await streamIsFinished(model), false);
    await finishStream(model);
    assert.equal((await chunks.next()).value.choices[0].delta.content, " last");
    assert.equal((await chunks.next()).value.choices[0].finish_reason, "stop");
    assert.equal((await chunks.next()).done, true);
  });

  test(`embeddings [${name}]`, async () => {
    const embeddings = await newClient().embeddings.create({ model: newModel(), input: WORDS });
    assert.deepEqual(embeddings.data[0].embedding, [0.25, -0.5, 1]);
  });

  test(`upload arrives unchanged [${name}]`, async () => {
    const file = await toFile(FILE, "upload.bin");
    const uploaded = await newClient().files.create({ file, purpose: "batch" });
    assert.equal(uploaded.id, FILE_ID);
    assert.equal(uploaded.bytes, FILE.length);
    assert.equal(uploaded.purpose, "batch");
  });

  test(`rate limit of the provider [${name}]`, async () => {
    const request = newClient().chat.completions.create({ model: RATE_LIMITED_MODEL, messages: MESSAGES });
    await assert.rejects(request, (error) => {
      assert.equal(error.constructor.name, "RateLimitError");
      assert.equal(error.status, 429);
      assert.match(error.message, /slow down/);
      assert.equal(header(error, "retry-after"), "17");
      return true;
    });
    assert.equal((await requestsAtProvider()).length, 1);
  });
}

// `openai` gives an error's headers as Headers, `portkey-ai` as an object.
function header(error, name) {
  return error.headers instanceof Headers ? error.headers.get(name) : error.headers[name];
}

const SLUG_IN_MODEL_CLIENTS = {
  openai: openai(GATEWAY, GATEWAY_KEY, {}),
  portkey: portkey(GATEWAY, { apiKey: GATEWAY_KEY }),
};
for (const [name, newClient] of Object.entries(SLUG_IN_MODEL_CLIENTS)) {
  test(`slug in the model [${name}]`, async () => {
    const model = newModel();
    const completion = await newClient().chat.completions.create({ model: `@openai-prod/${model}`, messages: MESSAGES });
    assert.equal(completion.model, model);
    assert.equal(completion.choices[0].message.content, WORDS);
    assert.deepEqual((await requestsAtProvider()).map((request) => request.stored), [true]);
  });
}

const FALLBACK_CLIENTS = {
  openai: (config) => openai(GATEWAY, "not-a-credential", { apiKey: GATEWAY_KEY, config })(),
  portkey: (config) => portkey(GATEWAY, { apiKey: GATEWAY_KEY, config })(),
};
for (const [name, newClient] of Object.entries(FALLBACK_CLIENTS)) {
  for (const fault of ["status", "reset", "stall"]) {
    test(`fallback after ${fault} [${name}]`, async () => {
      const client = newClient(`pc-after-${fault}`);
      const completion = await client.chat.completions.create({ model: newModel(), messages: MESSAGES });
      assert.equal(completion.choices[0].message.content, WORDS);
      const paths = (await requestsAtProvider()).map((request) => request.path);
      assert.deepEqual(paths, [`/${fault}/v1/chat/completions`, "/v1/chat/completions"]);
    });

    test(`fallback of a stream after ${fault} [${name}]`, async () => {
      const model = newModel();
      const client = newClient(`pc-after-${fault}`);
      const stream = await client.chat.completions.create({ model, messages: MESSAGES, stream: true });
      const chunks = stream[Symbol.asyncIterator]();
      assert.equal((await chunks.next()).value.choices[0].delta.content, "first");
      assert.equal(await streamIsFinished(model), false);
      await finishStream(model);
      assert.equal((await chunks.next()).value.choices[0].delta.content, " last");
      assert.equal((await chunks.next()).value.choices[0].finish_reason, "stop");
      assert.equal((await chunks.next()).done, true);
      assert.equal((await requestsAtProvider()).length, 2);
    });
  }
}

const WRONG_KEY_CLIENTS = {
  "openai, provider header": openai(GATEWAY, OPENAI_KEY, { apiKey: WRONG_KEY, provider: "openai" }),
  "openai, gateway key as bearer": openai(GATEWAY, WRONG_KEY, { config: CONFIG }),
  "portkey, config": portkey(GATEWAY, { apiKey: WRONG_KEY, config: CONFIG }),
};
for (const [name, newClient] of Object.entries(WRONG_KEY_CLIENTS)) {
  test(`wrong gateway key [${name}]`, async () => {
    const request = newClient().chat.completions.create({ model: newModel(), messages: MESSAGES });
    await assert.rejects(request, (error) => {
      assert.equal(error.constructor.name, "AuthenticationError");
      assert.equal(error.status, 401);
      assert.ok(error.message.endsWith(INVALID_KEY), error.message);
      return true;
    });
    assert.deepEqual(await requestsAtProvider(), []);
  });
}

const NO_PROVIDER_CLIENTS = {
  "openai": openai(GATEWAY, OPENAI_KEY, { apiKey: GATEWAY_KEY }),
  "openai, open mode": openai(OPEN_GATEWAY, OPENAI_KEY, {}),
  "portkey": portkey(GATEWAY, { apiKey: GATEWAY_KEY }),
  "portkey, open mode": portkey(OPEN_GATEWAY, {}),
};
for (const [name, newClient] of Object.entries(NO_PROVIDER_CLIENTS)) {
  test(`no provider [${name}]`, async () => {
    const request = newClient().chat.completions.create({ model: newModel(), messages: MESSAGES });
    await assert.rejects(request, (error) => {
      assert.equal(error.constructor.name, "BadRequestError");
      assert.equal(error.status, 400);
      // `openai` shows only bodies with an `error` in them, and this one has none.
      if (name.startsWith("portkey")) assert.equal(error.message, NO_PROVIDER);
      return true;
    });
    assert.deepEqual(await requestsAtProvider(), []);
  });
}

// It repeats a request that failed, unless the response tells of a gateway.
test("portkey leaves retries to the gateway", async () => {
  const request = CLIENTS["portkey, config"]().chat.completions.create({ model: "model-failing", messages: MESSAGES });
  await assert.rejects(request, { status: 500 });
  assert.equal((await requestsAtProvider()).length, 1);
});

test("gateway headers on the response [openai]", async () => {
  const client = CLIENTS["openai, provider header"]();
  const headers = createHeaders({ traceID: "trace-of-the-caller" });
  const { response } = await client.chat.completions
    .create({ model: newModel(), messages: MESSAGES }, { headers })
    .withResponse();
  assert.equal(response.headers.get("x-portkey-trace-id"), "trace-of-the-caller");
  assert.equal(response.headers.get("x-portkey-provider"), "openai");
});

test("gateway headers on the response [portkey]", async () => {
  const client = CLIENTS["portkey, config"]();
  const completion = await client.chat.completions.create({ model: newModel(), messages: MESSAGES });
  assert.equal(completion.getHeaders().provider, "openai");
  assert.ok(completion.getHeaders()["trace-id"]);
});

function limitedClient(name, options) {
  return new OpenAI({
    baseURL: `${GATEWAY}/v1`,
    apiKey: `${LIMITED_KEY}-${name}`,
    defaultHeaders: createHeaders({ provider: "@openai-prod" }),
    maxRetries: 0,
    timeout: 20_000,
    ...options,
  });
}

test("rate limit of a key", async () => {
  const client = limitedClient("node-once");
  const { response } = await client.chat.completions.create({ model: newModel(), messages: MESSAGES }).withResponse();
  assert.equal(response.headers.get("x-ratelimit-limit-requests"), "1");
  await assert.rejects(client.chat.completions.create({ model: newModel(), messages: MESSAGES }), (error) => {
    assert.equal(error.constructor.name, "RateLimitError");
    assert.deepEqual([error.status, error.code], [429, "05"]);
    assert.match(error.message, /rate limit exceded/);
    assert.ok(Number(header(error, "retry-after")) > 0);
    assert.equal(header(error, "x-ratelimit-remaining-requests"), "0");
    return true;
  });
  assert.equal((await requestsAtProvider()).length, 1);
});

test("Retry-After is honoured", async () => {
  const calls = [];
  const counted = async (...request) => {
    const sent = performance.now();
    const response = await fetch(...request);
    calls.push({ sent, status: response.status });
    return response;
  };
  const client = limitedClient("node-second", { maxRetries: 3, fetch: counted });
  for (let count = 0; count < 5 && calls.every(({ status }) => status === 200); count += 1) {
    await client.chat.completions.create({ model: newModel(), messages: MESSAGES });
  }
  const refused = calls.findIndex(({ status }) => status === 429);
  assert.notEqual(refused, -1);
  // Without the header it would have tried again after half a second. Timers may be a little early.
  assert.ok(calls[refused + 1].sent - calls[refused].sent >= 990);
});

test("spent budget", async () => {
  const request = limitedClient("spent").chat.completions.create({ model: newModel(), messages: MESSAGES });
  await assert.rejects(request, (error) => {
    assert.deepEqual([error.status, error.code], [412, "04"]);
    assert.match(error.message, /Portkey API Key Usage Limit Exceeded/);
    return true;
  });
  assert.deepEqual(await requestsAtProvider(), []);
});
