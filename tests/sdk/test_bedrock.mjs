// The Node package `openai` against the gateway with AWS behind it, whose signatures botocore computes anew.

import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";

import OpenAI from "openai";
import { createHeaders } from "portkey-ai";

const {
  SDK_TEST_GATEWAY: GATEWAY,
  SDK_TEST_GATEWAY_KEY: GATEWAY_KEY,
  SDK_TEST_AWS_CONTROL: CONTROL,
  SDK_TEST_AWS_SECRETS: SECRETS,
  SDK_TEST_BEDROCK_KEYS: BEDROCK_KEYS,
} = process.env;
const secrets = JSON.parse(SECRETS);
const [CALLERS_KEY] = JSON.parse(BEDROCK_KEYS);

const MODEL = "us.anthropic.claude-3-5-sonnet-20241022-v2:0";
const PATH = "/model/us.anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse";
const WORDS = 'naïve ☃ "quoted"';
const MESSAGES = [{ role: "user", content: WORDS }];
const TOOLS = [
  {
    type: "function",
    function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
  },
];

const client = (headers, apiKey = "not-a-credential") =>
  new OpenAI({
    baseURL: `${GATEWAY}/v1`,
    apiKey,
    defaultHeaders: createHeaders({ apiKey: GATEWAY_KEY, ...headers }),
    maxRetries: 0,
    timeout: 20_000,
  });
const stored = () => client({ provider: "@bedrock" });
const callers = (key) => ({
  awsAccessKeyId: key,
  awsSecretAccessKey: secrets[key].secret,
  awsSessionToken: secrets[key].token,
  awsRegion: "us-west-2",
});

async function control(method, path) {
  const response = await fetch(CONTROL + path, { method, signal: AbortSignal.timeout(10_000) });
  return response.json();
}
const arrived = () => control("GET", "/requests");

/** What a client puts together of a stream: text, calls, reasons, usage. */
async function joined(stream) {
  const all = { text: "", calls: [], reasons: [], usage: undefined };
  for await (const chunk of stream) {
    all.usage = chunk.usage ?? all.usage;
    for (const { delta, finish_reason: reason } of chunk.choices) {
      all.text += delta.content ?? "";
      for (const call of delta.tool_calls ?? []) {
        if (call.index === all.calls.length) all.calls.push({ id: call.id, type: call.type, function: { name: call.function.name, arguments: "" } });
        all.calls[call.index].function.arguments += call.function.arguments;
      }
      if (reason) all.reasons.push(reason);
    }
  }
  return all;
}

beforeEach(() => control("POST", "/reset"));
afterEach(async () => {
  assert.deepEqual((await arrived()).filter((request) => !request.accepted), []);
});

for (const [name, made, key] of [
  ["headers", () => client({ provider: "bedrock", ...callers("AKIDCALLER") }), "AKIDCALLER"],
  ["headers, session token", () => client({ provider: "bedrock", ...callers("ASIACALLER") }), "ASIACALLER"],
  ["entry", stored, "AKIDSTORED"],
  ["key of Bedrock's", () => client({ provider: "bedrock", awsAuthType: "apiKey" }, CALLERS_KEY), CALLERS_KEY],
]) {
  test(`chat completion, ${name}`, async () => {
    const completion = await made().chat.completions.create({ model: MODEL, messages: MESSAGES, stop: "END", max_tokens: 9 });
    const [{ message, finish_reason: reason }] = completion.choices;
    assert.deepEqual([message.role, message.content, reason], ["assistant", WORDS, "stop"]);
    assert.equal(completion.model, MODEL);
    assert.equal(completion.usage.total_tokens, 30);
    assert.equal(completion.usage.prompt_tokens_details.cached_tokens, 20);
    const [request] = await arrived();
    assert.deepEqual([request.path, request.shown.key], [PATH, key]);
    assert.deepEqual(JSON.parse(request.body).inferenceConfig, { maxTokens: 9, stopSequences: ["END"] });
  });
}

for (const stream of [false, true]) {
  test(`tools go there and back, ${stream ? "stream" : "whole"}`, async () => {
    const answer = await stored().chat.completions.create({ model: MODEL, messages: MESSAGES, tools: TOOLS, stream });
    const message = stream ? undefined : answer.choices[0].message;
    const { text, calls, reasons } = stream
      ? await joined(answer)
      : { text: message.content, calls: message.tool_calls, reasons: [answer.choices[0].finish_reason] };
    assert.deepEqual([text, reasons], ["Let me see.", ["tool_calls"]]);
    assert.deepEqual(
      calls.map((call) => [call.id, call.type, call.function.name, JSON.parse(call.function.arguments)]),
      ["Köln", "Bonn"].map((city) => [`tooluse_${city}`, "function", "weather", { city }]),
    );
    const results = calls.map((call, index) => ({ role: "tool", tool_call_id: call.id, content: `rain ${index}` }));
    const said = { role: "assistant", content: text, tool_calls: calls };
    const next = await stored().chat.completions.create({ model: MODEL, messages: [...MESSAGES, said, ...results], tools: TOOLS });
    assert.equal(next.choices[0].message.content, "tooluse_Köln: rain 0; tooluse_Bonn: rain 1");
  });
}

test("the client's own helper accumulates a stream of tools", async () => {
  const stream = stored().chat.completions.stream({ model: MODEL, messages: MESSAGES, tools: TOOLS });
  const { choices } = await stream.finalChatCompletion();
  assert.equal(choices[0].finish_reason, "tool_calls");
  assert.deepEqual(choices[0].message.tool_calls.map((call) => JSON.parse(call.function.arguments).city), ["Köln", "Bonn"]);
});

test("a stream arrives event by event, with its usage where that is asked for", async () => {
  const model = `held-${randomUUID()}`;
  const stream = await stored().chat.completions.create({
    model,
    messages: MESSAGES,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = stream[Symbol.asyncIterator]();
  assert.equal((await chunks.next()).value.choices[0].delta.role, "assistant");
  assert.equal((await chunks.next()).value.choices[0].delta.content, WORDS.slice(0, 5));
  assert.equal((await control("GET", `/streams/${model}`)).finished, false);
  await control("POST", `/streams/${model}`);
  const { text, reasons, usage } = await joined({ [Symbol.asyncIterator]: () => chunks });
  assert.deepEqual([text, reasons], [WORDS.slice(5), ["stop"]]);
  assert.deepEqual([usage.prompt_tokens, usage.completion_tokens, usage.total_tokens], [27, 3, 30]);
});

test("images go by their real kind", async () => {
  const image = Buffer.from("not really an image");
  const part = (kind) => ({ type: "image_url", image_url: { url: `data:image/${kind};base64,${image.toString("base64")}` } });
  const hash = createHash("sha256").update(image).digest("hex");
  const messages = [{ role: "user", content: [part("png"), part("gif"), part("jpg")] }];
  const completion = await stored().chat.completions.create({ model: MODEL, messages });
  assert.equal(completion.choices[0].message.content, `png ${hash}; gif ${hash}; jpeg ${hash}`);
});

for (const [name, status, expected] of [
  ["ValidationException", 400, OpenAI.BadRequestError],
  ["AccessDeniedException", 403, OpenAI.PermissionDeniedError],
  ["ResourceNotFoundException", 404, OpenAI.NotFoundError],
  ["ModelTimeoutException", 408, OpenAI.APIError],
  ["ThrottlingException", 429, OpenAI.RateLimitError],
  ["InternalServerException", 500, OpenAI.InternalServerError],
]) {
  for (const stream of [false, true]) {
    test(`${name}, ${stream ? "stream" : "whole"}`, async () => {
      await assert.rejects(stored().chat.completions.create({ model: name, messages: MESSAGES, stream }), (error) => {
        assert.ok(error instanceof expected, error);
        assert.deepEqual([error.status, error.type], [status, name]);
        assert.match(error.message, new RegExp(`bedrock error: ${name} it is`));
        return true;
      });
    });
  }
}

for (const model of ["broken-throttlingException", "cut-off"]) {
  test(`a stream that goes wrong is an error: ${model}`, async () => {
    const stream = await stored().chat.completions.create({ model, messages: MESSAGES, stream: true });
    await assert.rejects(joined(stream), (error) => {
      assert.ok(error instanceof OpenAI.APIError || model === "cut-off", error);
      if (model !== "cut-off") assert.match(error.message, /it broke/);
      return true;
    });
  });
}

for (const [model, tokens] of [["amazon.titan-embed-text-v2:0", 8], ["cohere.embed-english-v3", 8]]) {
  test(`embeddings of ${model}`, async () => {
    const answer = await stored().embeddings.create({ model, input: ["one", "two"] });
    assert.deepEqual(answer.data.map((item) => item.embedding), [[0.25, -0.5, 1], [0.25, -0.5, 1]]);
    assert.equal(answer.usage.prompt_tokens, tokens);
  });
}
