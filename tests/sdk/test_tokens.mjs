// Tokens minted by `jose` in place of gateway keys, shown by the packages `openai` and `portkey-ai`.

import assert from "node:assert/strict";
import { File } from "node:buffer";
import { webcrypto } from "node:crypto";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { importJWK, SignJWT } from "jose";
import OpenAI from "openai";
import { createHeaders, Portkey } from "portkey-ai";

globalThis.File ??= File; // older Node versions keep these in modules
globalThis.crypto ??= webcrypto;

const { SDK_TEST_GATEWAY: GATEWAY, SDK_TEST_CONTROL: CONTROL, SDK_TEST_ISSUER: ISSUER } = process.env;
const MESSAGES = [{ role: "user", content: "hello" }];
const INVALID_KEY = "Portkey Error: Invalid API Key. Error Code: 03";

const CLIENTS = {
  openai: (apiKey) =>
    new OpenAI({
      baseURL: `${GATEWAY}/v1`,
      apiKey,
      defaultHeaders: createHeaders({ provider: "@openai-prod" }),
      maxRetries: 0,
      timeout: 20_000,
    }),
  portkey: (apiKey) => new Portkey({ baseURL: `${GATEWAY}/v1`, apiKey, provider: "@openai-prod" }),
};

async function ask(address, method, path) {
  const response = await fetch(address + path, { method, signal: AbortSignal.timeout(10_000) });
  return response.json();
}
const requestsAtProvider = () => ask(CONTROL, "GET", "/requests");

async function token(keys, changes = {}) {
  const key = await ask(ISSUER, "GET", `/signing/${keys}`);
  const claims = {
    iss: "https://idp.test/",
    aud: "gateway",
    sub: "user-1",
    exp: Math.floor(Date.now() / 1000) + 300,
    portkey_oid: `org-${keys}`,
    scope: "portkey.completions.write",
    ...changes,
  };
  const header = { alg: key.alg, kid: key.kid, typ: "JWT" };
  return new SignJWT(claims).setProtectedHeader(header).sign(await importJWK(key, key.alg));
}

const chat = (name, text) => CLIENTS[name](text).chat.completions.create({ model: "model-1", messages: MESSAGES });

async function refused(name, text, kind, status, message) {
  await assert.rejects(chat(name, text), (error) => {
    assert.equal(error.constructor.name, kind);
    assert.equal(error.status, status);
    assert.ok(error.message.includes(message), error.message);
    return true;
  });
  assert.deepEqual(await requestsAtProvider(), []);
}

beforeEach(() => ask(CONTROL, "POST", "/reset"));
afterEach(async () => {
  const refused = (await requestsAtProvider()).filter((request) => !request.accepted);
  assert.deepEqual(refused, []);
});

for (const name of Object.keys(CLIENTS)) {
  for (const keys of ["file", "url"]) {
    test(`a token is as good as a key [${name}, ${keys}]`, async () => {
      const text = await token(keys);
      for (const _ of [1, 2]) {
        assert.equal((await chat(name, text)).choices[0].message.content, "hello");
      }
      assert.deepEqual((await requestsAtProvider()).map((request) => request.stored), [true, true]);
    });

    for (const changes of [{ exp: 1_700_000_000 }, { exp: undefined }, { iss: "x" }, { aud: ["x"] }, { portkey_oid: "x" }]) {
      test(`a token that is not good [${name}, ${keys}, ${JSON.stringify(changes)}]`, async () => {
        await refused(name, await token(keys, changes), "AuthenticationError", 401, INVALID_KEY);
      });
    }

    test(`a token without the scope [${name}, ${keys}]`, async () => {
      const text = await token(keys, { scope: ["logs.read"] });
      await refused(name, text, "PermissionDeniedError", 403, "Error Code: 033");
    });
  }

  test(`rotation while running [${name}]`, async () => {
    const before = await token("url");
    await chat(name, before);
    await setTimeout(1100); // one extra fetch a second is what the settings allow
    await ask(ISSUER, "POST", "/rotate");
    await chat(name, await token("url"));
    await ask(CONTROL, "POST", "/reset");
    await refused(name, before, "AuthenticationError", 401, INVALID_KEY);
  });
}
