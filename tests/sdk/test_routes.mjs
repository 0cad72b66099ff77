// The Node packages `openai` and `portkey-ai` on the other routes, and `ws` on /v1/realtime.

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { createHash, randomUUID } from "node:crypto";
import { connect as connectTcp } from "node:net";
import { afterEach, beforeEach, test } from "node:test";

import OpenAI, { toFile } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { OpenAIRealtimeWebSocket } from "openai/realtime/websocket";
import { createHeaders, Portkey } from "portkey-ai";
import WebSocket from "ws";

globalThis.File ??= File; // older Node versions keep it in node:buffer

const {
  SDK_TEST_GATEWAY: GATEWAY,
  SDK_TEST_OPEN_GATEWAY: OPEN_GATEWAY,
  SDK_TEST_CONTROL: CONTROL,
  SDK_TEST_GATEWAY_KEY: GATEWAY_KEY,
  SDK_TEST_OPENAI_KEY: OPENAI_KEY,
} = process.env;

const WORDS = 'naïve ☃ "quoted"';
const FILE = Buffer.concat([
  Buffer.alloc(256 * 1024, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))),
  Buffer.from("\r\n--boundary--\r\n\n\r\0"),
]);
const AUDIO = Buffer.alloc(256 * 64, Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));

const openai = (gateway, apiKey, headers) => () =>
  new OpenAI({
    baseURL: `${gateway}/v1`,
    apiKey,
    defaultHeaders: createHeaders(headers),
    maxRetries: 0,
    timeout: 20_000,
  });
const CLIENTS = {
  "openai, provider header": openai(GATEWAY, OPENAI_KEY, { apiKey: GATEWAY_KEY, provider: "openai" }),
  "openai, slug": openai(GATEWAY, "none", { apiKey: GATEWAY_KEY, provider: "@openai-prod" }),
  "openai, open mode": openai(OPEN_GATEWAY, OPENAI_KEY, { provider: "openai" }),
  "portkey, slug": () => new Portkey({ baseURL: `${GATEWAY}/v1`, apiKey: GATEWAY_KEY, provider: "@openai-prod" }),
};

async function control(method, path) {
  const response = await fetch(CONTROL + path, { method, signal: AbortSignal.timeout(10_000) });
  return response.json();
}
const requestsAtProvider = () => control("GET", "/requests");
const arrived = async () => (await requestsAtProvider()).map(({ method, path }) => `${method} ${path}`);
const newModel = () => `model-${randomUUID()}`; // the provider holds streams by model

beforeEach(() => control("POST", "/reset"));
afterEach(async () => {
  const refused = (await requestsAtProvider()).filter((request) => !request.accepted);
  assert.deepEqual(refused, []);
});

for (const [name, newClient] of Object.entries(CLIENTS)) {
  test(`images [${name}]`, async () => {
    const client = newClient();
    const model = newModel();
    const image = await client.images.generate({ model, prompt: WORDS });
    assert.equal(Buffer.from(image.data[0].b64_json, "base64").toString(), WORDS);
    const file = await toFile(FILE, "image.png", { type: "image/png" });
    const edited = await client.images.edit({ model, image: file, prompt: WORDS });
    assert.deepEqual(Buffer.from(edited.data[0].b64_json, "base64"), FILE);
  });

  test(`speech and transcription [${name}]`, async () => {
    const client = newClient();
    const model = newModel();
    await control("POST", `/streams/${model}`);
    const speech = await client.audio.speech.create({ model, voice: "alloy", input: WORDS });
    assert.deepEqual(Buffer.from(await speech.arrayBuffer()), AUDIO);
    const file = await toFile(FILE, "a.wav");
    const expected = `${model}: ${createHash("sha256").update(FILE).digest("hex")}`;
    assert.equal((await client.audio.transcriptions.create({ model, file })).text, expected);
  });

  test(`responses [${name}]`, async () => {
    const client = newClient();
    const model = newModel();
    const made = await client.responses.create({ model, input: WORDS });
    assert.equal(made.output[0].content[0].text, WORDS);
    const stream = await client.responses.create({ model, input: WORDS, stream: true });
    const types = [];
    for await (const event of stream) {
      types.push(event.type);
      if (event.delta === "first") {
        assert.equal((await control("GET", `/streams/${model}`)).finished, false);
        await control("POST", `/streams/${model}`);
      }
    }
    assert.deepEqual(types.slice(-2), ["response.output_text.delta", "response.completed"]);
    assert.equal((await client.responses.retrieve("resp_7")).id, "resp_7");
    await client.responses.delete("resp_7");
    const expected = ["POST /v1/responses", "POST /v1/responses", "GET /v1/responses/resp_7", "DELETE /v1/responses/resp_7"];
    assert.deepEqual(await arrived(), expected);
  });

  test(`objects [${name}]`, async () => {
    const client = newClient();
    await client.files.list();
    await client.batches.create({ completion_window: "24h", endpoint: "/v1/embeddings", input_file_id: "file-1" });
    await client.fineTuning.jobs.cancel("ft-1");
    await client.vectorStores.create({ name: WORDS });
    await client.beta.assistants.create({ model: "gpt-4o" });
    await client.beta.threads.create();
    await client.moderations.create({ input: WORDS });
    assert.deepEqual((await arrived()).map((line) => line.split("?")[0]), [
      "GET /v1/files", "POST /v1/batches", "POST /v1/fine_tuning/jobs/ft-1/cancel", "POST /v1/vector_stores",
      "POST /v1/assistants", "POST /v1/threads", "POST /v1/moderations",
    ]);
  });
}

test("models of the entries", async () => {
  const client = openai(GATEWAY, GATEWAY_KEY, {})();
  const ids = (await client.models.list()).data.map((model) => model.id);
  for (const id of ["@openai-prod", "@openai-listed/gpt-4o", "@anthropic-prod"]) assert.ok(ids.includes(id), id);
  // It writes the slash as %2F.
  assert.equal((await client.models.retrieve("@openai-listed/gpt-4o")).id, "@openai-listed/gpt-4o");
  assert.deepEqual(await requestsAtProvider(), []);
});

const event = (socket, type) => new Promise((resolve, reject) => {
  socket.on(type, resolve);
  socket.on("error", reject);
});
const closed = (socket) => new Promise((resolve) => socket.addEventListener("close", resolve));

// It knows wss only, and no way to say otherwise; the URL that it makes is kept but for that.
class Unencrypted extends WebSocket {
  constructor(url, ...rest) {
    super(String(url).replace(/^wss:/, "ws:"), ...rest);
  }
}
globalThis.WebSocket = Unencrypted;

// The same for its client by `ws`, which takes a way to connect.
const unencrypted = { createConnection: ({ host, port }) => connectTcp({ host, port }) };

const REALTIME_CLIENTS = {
  "ws, provider header": (model) =>
    new OpenAIRealtimeWS(
      { model, options: { ...unencrypted, headers: createHeaders({ apiKey: GATEWAY_KEY, provider: "openai" }) } },
      openai(GATEWAY, OPENAI_KEY, {})(),
    ),
  "ws, slug in the model": (model) =>
    new OpenAIRealtimeWS({ model: `@openai-listed/${model}`, options: unencrypted }, openai(GATEWAY, GATEWAY_KEY, {})()),
  "browser, slug in the model": (model) =>
    new OpenAIRealtimeWebSocket({ model: `@openai-listed/${model}` }, openai(GATEWAY, GATEWAY_KEY, {})()),
};
for (const [name, connect] of Object.entries(REALTIME_CLIENTS)) {
  test(`realtime [${name}]`, async () => {
    const client = connect("gpt-realtime");
    const created = await event(client, "session.created");
    assert.equal(created.session.model, "gpt-realtime");
    const updated = event(client, "session.updated");
    client.send({ type: "session.update", session: { type: "realtime", instructions: WORDS } });
    assert.equal((await updated).session.instructions, WORDS);
    const end = closed(client.socket);
    client.close();
    await end;
    assert.deepEqual(await arrived(), ["GET /v1/realtime?model=gpt-realtime"]);
  });
}

test("compression is for the two ends to agree on", async () => {
  const headers = createHeaders({ apiKey: GATEWAY_KEY, provider: "@openai-prod" });
  const socket = new WebSocket(`${GATEWAY.replace("http", "ws")}/v1/realtime?model=m`, { headers });
  const texts = [];
  await new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("message", (data) => {
      texts.push(data.toString());
      if (texts.length === 1) socket.send(WORDS.repeat(10_000));
      else resolve();
    });
  });
  assert.equal(texts[1], WORDS.repeat(10_000));
  const [request] = await requestsAtProvider();
  assert.match(Object.fromEntries(request.headers)["sec-websocket-extensions"], /^permessage-deflate/);
  const end = closed(socket);
  socket.close(4321, "done");
  assert.equal((await end).code, 4321);
});
