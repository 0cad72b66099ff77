"""curl against the gateway: what the SDKs hide, namely status lines, headers and raw bytes."""

import hashlib
import json
import subprocess
import uuid

import pytest

from support import *

REQUIRED = {"x-portkey-api-key": GATEWAY_KEY, "authorization": f"Bearer {OPENAI_KEY}", "x-portkey-provider": "openai"}
WITH_CONFIG = {"x-portkey-api-key": GATEWAY_KEY, "x-portkey-config": json.dumps(CONFIG)}
# The gateway key in both headers, as the Node SDK sends it.
WITH_KEY_TWICE = {**WITH_CONFIG, "authorization": f"Bearer {GATEWAY_KEY}"}
OPEN = {"authorization": f"Bearer {OPENAI_KEY}", "x-portkey-provider": "openai"}
OPEN_WITH_CONFIG = {"x-portkey-config": json.dumps(CONFIG)}

every_caller = pytest.mark.parametrize(
    ("gateway", "headers"),
    [
        pytest.param(GATEWAY, REQUIRED, id="provider header"),
        pytest.param(GATEWAY, WITH_CONFIG, id="config"),
        pytest.param(GATEWAY, WITH_KEY_TWICE, id="key in both headers"),
        pytest.param(OPEN_GATEWAY, OPEN, id="open mode, provider header"),
        pytest.param(OPEN_GATEWAY, OPEN_WITH_CONFIG, id="open mode, config"),
    ],
)


def command(url, headers, *options):
    line = ["curl", "--disable", "--noproxy", "*", "--silent", "--show-error", "--max-time", "20", *options]
    for name, value in headers.items():
        line += ["--header", f"{name}: {value}"]
    return [*line, url]


def curl(url, headers, *options, body=None):
    """Status, headers (a name's lines in a list) and body."""
    if body is not None:
        options = ("--data-binary", "@-", *options)
        headers = {"content-type": "application/json", **headers}
    done = subprocess.run(command(url, headers, "--include", *options), input=body, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr.decode()
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    while b" 100 " in head.split(b"\r\n")[0]:
        head, _, body = body.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    answered = {}
    for line in lines:
        name, _, value = line.partition(":")
        answered.setdefault(name.lower(), []).append(value.strip())
    return int(status.split()[1]), answered, body


def chat(model, **more):
    # Spacing that no JSON writer produces: a rewritten body would show.
    fields = {"model": model, **more, "messages": [{"role": "user", "content": WORDS}]}
    return json.dumps(fields, indent=3, separators=(" ,", "\t:"), ensure_ascii=False).encode()


@every_caller
def test_chat_completion(gateway, headers, model):
    body = chat(model)
    status, answered, answer = curl(f"{gateway}/v1/chat/completions", headers, body=body)
    assert status == 200
    assert answered["content-type"] == ["application/json"]
    assert json.loads(answer)["choices"][0]["message"]["content"] == WORDS
    assert only_request_at_provider()["sha256"] == hashlib.sha256(body).hexdigest()


@every_caller
def test_gateway_headers_on_the_response(gateway, headers, model):
    headers = {**headers, "x-portkey-trace-id": "trace-of-the-caller"}
    _, answered, _ = curl(f"{gateway}/v1/chat/completions", headers, body=chat(model))
    assert answered["x-portkey-trace-id"] == ["trace-of-the-caller"]
    assert answered["x-portkey-provider"] == ["openai"]
    assert answered["x-portkey-last-used-option-index"] == ["config"]
    assert answered["x-portkey-retry-attempt-count"] == ["0"]


def test_trace_id_is_made_when_the_caller_sends_none(model):
    _, answered, _ = curl(f"{GATEWAY}/v1/chat/completions", REQUIRED, body=chat(model))
    [trace_id] = answered["x-portkey-trace-id"]
    assert uuid.UUID(trace_id)


@every_caller
def test_stream_arrives_chunk_by_chunk(gateway, headers, model):
    headers = {"content-type": "application/json", **headers}
    body = chat(model, stream=True)
    line = command(f"{gateway}/v1/chat/completions", headers, "--no-buffer", "--data-binary", body.decode())
    with subprocess.Popen(line, stdout=subprocess.PIPE) as process:
        first = process.stdout.readline()
        assert json.loads(first.removeprefix(b"data: "))["choices"][0]["delta"]["content"] == "first"
        assert not stream_is_finished(model)
        finish_stream(model)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert b" last" in rest
    assert rest.endswith(b"data: [DONE]\n\n")


@every_caller
def test_embeddings(gateway, headers, model):
    body = json.dumps({"model": model, "input": WORDS}).encode()
    status, _, answer = curl(f"{gateway}/v1/embeddings", headers, body=body)
    assert (status, json.loads(answer)["data"][0]["embedding"]) == (200, VECTOR)


@every_caller
def test_upload_arrives_unchanged(gateway, headers, tmp_path):
    file = tmp_path / "upload.bin"
    file.write_bytes(FILE)
    form = ("--form", "purpose=batch", "--form", f"file=@{file}")
    status, _, answer = curl(f"{gateway}/v1/files", headers, *form)
    assert (status, json.loads(answer)["id"]) == (200, FILE_ID)


@every_caller
def test_rate_limit_of_the_provider(gateway, headers):
    status, answered, answer = curl(f"{gateway}/v1/chat/completions", headers, body=chat(RATE_LIMITED_MODEL))
    assert (status, answered["retry-after"]) == (429, [RETRY_AFTER])
    assert "slow down" in json.loads(answer)["error"]["message"]
    assert len(requests_at_provider()) == 1


def test_anthropic_credential_goes_into_x_api_key(model):
    headers = {**REQUIRED, "authorization": f"Bearer {ANTHROPIC_KEY}", "x-portkey-provider": "anthropic"}
    body = json.dumps({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": WORDS}]}).encode()
    status, answered, answer = curl(f"{GATEWAY}/v1/messages", headers, body=body)
    assert (status, json.loads(answer)["content"][0]["text"]) == (200, WORDS)
    assert answered["x-portkey-provider"] == ["anthropic"]


def test_private_headers_stay_at_the_gateway(model):
    private = {
        "cookie": "session=1",
        "x-forwarded-for": "10.0.0.1",
        "x-custom": "1",
        "x-portkey-metadata": '{"_user":"u"}',
    }
    status, _, _ = curl(f"{GATEWAY}/v1/chat/completions", {**REQUIRED, **private}, body=chat(model))
    assert status == 200
    arrived = {name for name, _ in only_request_at_provider()["headers"]}
    assert arrived.isdisjoint(private)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-portkey-api-key": GATEWAY_KEY[:-1]},
        {"authorization": f"Bearer {OPENAI_KEY}"},
        {"x-portkey-api-key": OPENAI_KEY, "authorization": f"Bearer {GATEWAY_KEY}"},
        {"x-api-key": GATEWAY_KEY},
    ],
    ids=["no key", "cut off", "provider key as bearer", "keys swapped", "key in x-api-key"],
)
def test_wrong_gateway_key(headers, model):
    headers = {"x-portkey-provider": "openai", **headers}
    status, answered, answer = curl(f"{GATEWAY}/v1/chat/completions", headers, body=chat(model))
    assert status == 401
    assert json.loads(answer) == {
        "status": "failure", "message": INVALID_KEY, "error": {"message": INVALID_KEY, "code": "03"},
    }
    assert [name for name in answered if name.startswith("x-portkey-")] == []
    assert requests_at_provider() == []


@pytest.mark.parametrize(
    ("gateway", "headers"),
    [
        pytest.param(
            GATEWAY,
            {"x-portkey-api-key": GATEWAY_KEY, "authorization": f"Bearer {OPENAI_KEY}"},
            id="required mode",
        ),
        pytest.param(OPEN_GATEWAY, {"authorization": f"Bearer {OPENAI_KEY}"}, id="open mode"),
    ],
)
def test_no_provider(gateway, headers, model):
    status, _, answer = curl(f"{gateway}/v1/chat/completions", headers, body=chat(model))
    assert (status, json.loads(answer)) == (400, {"status": "failure", "message": NO_PROVIDER})
    assert requests_at_provider() == []


def test_missing_provider_credential(model):
    headers = {**REQUIRED, "authorization": f"Bearer {GATEWAY_KEY}"}
    status, _, answer = curl(f"{GATEWAY}/v1/chat/completions", headers, body=chat(model))
    assert (status, json.loads(answer)["status"]) == (400, "failure")
    assert requests_at_provider() == []


@pytest.mark.parametrize("gateway", [GATEWAY, OPEN_GATEWAY], ids=["required mode", "open mode"])
def test_health_needs_no_key(gateway):
    status, _, answer = curl(f"{gateway}/v1/health", {})
    assert (status, json.loads(answer)["status"]) == (200, "success")
