"""The Python packages `openai` and `boto3` against the gateway with AWS behind it, whose signatures botocore computes anew."""

import asyncio
import base64
import hashlib
import http.client
import io
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import anthropic
import boto3
import botocore.exceptions
import openai
import pytest
from botocore.config import Config
from portkey_ai import createHeaders

from support import GATEWAY, GATEWAY_KEY, OPEN_GATEWAY, WORDS

AWS = os.environ["SDK_TEST_AWS"]
CONTROL = os.environ["SDK_TEST_AWS_CONTROL"]
TENANT_KEY = os.environ["SDK_TEST_TENANT_KEY"]
SECRETS = json.loads(os.environ["SDK_TEST_AWS_SECRETS"])
CALLERS_KEY, STORED_KEY = json.loads(os.environ["SDK_TEST_BEDROCK_KEYS"])

MODEL = "anthropic.claude-3-5-sonnet-20241022-v2:0"
MESSAGES = [{"role": "user", "content": WORDS}]
# One pixel, a PNG and a GIF.
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
TOOLS = [{
    "type": "function",
    "function": {
        "name": "weather", "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}]

# Every shape that AWS gives a model's id.
MODELS = [
    MODEL,
    "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
    "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "amazon.nova-lite-v1:0:300k",
    "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
    "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefgh1234",
    "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:custom-model-deployment/x9",
    "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEF:1",
    "with+plus=and~tilde,comma@at",
]

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def control(method, path):
    request = urllib.request.Request(CONTROL + path, method=method, data=b"" if method == "POST" else None)
    with _direct.open(request, timeout=10) as response:
        return json.load(response)


def arrived():
    return control("GET", "/requests")


def chats():
    """What arrived, but for calls of STS."""
    return [request for request in arrived() if request["path"] != "/"]


def only_arrival():
    [request] = arrived()
    return request


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def every_signature_holds():
    control("POST", "/reset")
    yield
    assert [request for request in arrived() if not request["accepted"]] == []


def test_what_is_signed_otherwise_is_refused():
    """Whether these tests could fail: boto3 asks AWS itself, with the right secret and with another one."""
    def ask(secret):
        direct = boto3.client(
            "bedrock-runtime", endpoint_url=AWS, region_name="us-east-1", aws_access_key_id="AKIDCALLER",
            aws_secret_access_key=secret, config=Config(retries={"total_max_attempts": 1}),
        )
        # botocore leaves this header out for Bedrock; the gateway doesn't.
        body = json.dumps({"x": 1}).encode()
        direct.meta.events.register(
            "before-sign.*", lambda request, **_: request.headers.add_header("X-Amz-Content-SHA256", sha256(body)),
        )
        return direct.invoke_model(modelId="custom", body=body)

    assert ask(SECRETS["AKIDCALLER"]["secret"])["ResponseMetadata"]["HTTPStatusCode"] == 200
    with pytest.raises(botocore.exceptions.ClientError, match="botocore signs another text"):
        ask("another")
    assert [request["accepted"] for request in arrived()] == [True, False]
    control("POST", "/reset")


def client(gateway=GATEWAY, bearer="not-a-credential", key=GATEWAY_KEY, **headers):
    shown = createHeaders(**headers) if gateway == OPEN_GATEWAY else createHeaders(api_key=key, **headers)
    return openai.OpenAI(base_url=f"{gateway}/v1", api_key=bearer, default_headers=shown, max_retries=0, timeout=20)


def callers_keys(key, region="us-east-1"):
    token = {"aws_session_token": SECRETS[key]["token"]} if "token" in SECRETS[key] else {}
    return {"aws_access_key_id": key, "aws_secret_access_key": SECRETS[key]["secret"], "aws_region": region, **token}


# Every kind of credential, and what the signature has to show.
CREDENTIALS = {
    "headers": (lambda: client(provider="bedrock", **callers_keys("AKIDCALLER")), "AKIDCALLER", "us-east-1"),
    "headers, session token": (
        lambda: client(provider="bedrock", **callers_keys("ASIACALLER", "ap-south-1")), "ASIACALLER", "ap-south-1",
    ),
    "headers, open mode": (
        lambda: client(OPEN_GATEWAY, provider="bedrock", **callers_keys("AKIDCALLER")), "AKIDCALLER", "us-east-1",
    ),
    "config": (lambda: client(config={"provider": "bedrock", **callers_keys("AKIDCALLER")}), "AKIDCALLER", "us-east-1"),
    "config, session token": (
        lambda: client(config={"provider": "bedrock", **callers_keys("ASIACALLER", "us-gov-west-1")}),
        "ASIACALLER", "us-gov-west-1",
    ),
    "entry": (lambda: client(provider="@bedrock"), "AKIDSTORED", "eu-central-1"),
    "entry, session token": (lambda: client(provider="@bedrock-session"), "ASIASTORED", "us-east-1"),
    # Nothing of the caller's goes into a stored credential's signature.
    "entry, and keys of the caller's": (
        lambda: client(provider="@bedrock", **callers_keys("ASIACALLER")), "AKIDSTORED", "eu-central-1",
    ),
    "entry, gateway key as bearer": (
        lambda: openai.OpenAI(
            base_url=f"{GATEWAY}/v1", api_key=GATEWAY_KEY, default_headers={"x-portkey-provider": "@bedrock"}, max_retries=0,
        ),
        "AKIDSTORED", "eu-central-1",
    ),
}
BEARERS = {
    "header": (
        lambda: client(bearer=CALLERS_KEY, provider="bedrock", aws_auth_type="apiKey"), CALLERS_KEY,
    ),
    "header, open mode": (
        lambda: client(OPEN_GATEWAY, bearer=CALLERS_KEY, provider="bedrock", aws_auth_type="apiKey"), CALLERS_KEY,
    ),
    "config": (lambda: client(config={"provider": "bedrock", "api_key": CALLERS_KEY}), CALLERS_KEY),
    "entry": (lambda: client(bearer=CALLERS_KEY, provider="@bedrock-key"), STORED_KEY),
}


@pytest.mark.parametrize("name", CREDENTIALS)
def test_signatures_are_those_that_botocore_makes(name):
    made, key, region = CREDENTIALS[name]
    completion = made().chat.completions.create(model=MODEL, messages=MESSAGES, max_tokens=9)
    assert completion.choices[0].message.content == WORDS
    request = only_arrival()
    shown = request["shown"]
    assert (shown["key"], shown["region"], shown["service"]) == (key, region, "bedrock")
    token = ["x-amz-security-token"] if "token" in SECRETS[key] else []
    assert shown["signed"] == ["content-type", "host", "x-amz-content-sha256", "x-amz-date", *token]
    assert request["path"] == "/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse"


@pytest.mark.parametrize("name", BEARERS)
def test_a_key_of_bedrocks_is_no_signature(name):
    made, key = BEARERS[name]
    assert made().chat.completions.create(model=MODEL, messages=MESSAGES).choices[0].message.content == WORDS
    assert only_arrival()["shown"] == {"kind": "bearer", "key": key}


def test_an_assumed_role_has_its_external_id_and_its_tags():
    # The tags are the key's own metadata: a caller's would let it choose what AWS's policies ask about.
    options = {"provider": "@bedrock-role-one", "metadata": {"team": "another", "other": "never"}}
    for _ in range(2):
        completion = client(**options).chat.completions.create(model=MODEL, messages=MESSAGES)
        assert completion.choices[0].message.content == WORDS
    sts, *two = arrived()
    assert (sts["shown"]["key"], sts["shown"]["service"], sts["shown"]["region"]) == ("AKIDSTORED", "sts", "us-west-2")
    assert [request["path"] for request in two] == ["/model/anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse"] * 2
    for request in two:
        shown = request["shown"]
        assert (shown["role"], shown["external_id"]) == ("arn:aws:iam::123456789012:role/a/role+of=one", "id:of/a+one==")
        assert shown["tags"] == {"team": "a _ b=c"}
        assert (shown["region"], "x-amz-security-token" in shown["signed"]) == ("us-west-2", True)


@pytest.mark.parametrize("model", MODELS)
def test_ids_of_models_are_encoded_once_on_the_wire_and_twice_in_the_signature(model):
    openai_client = client(provider="@bedrock")
    for stream in (False, True):
        answer = openai_client.chat.completions.create(model=model, messages=MESSAGES, stream=stream)
        text = "".join(part.choices[0].delta.content or "" for part in answer) if stream else answer.choices[0].message.content
        assert text == WORDS
    encoded = urllib.parse.quote(model, safe="-._~")
    assert [request["path"] for request in arrived()] == [f"/model/{encoded}/converse", f"/model/{encoded}/converse-stream"]
    # An id that is encoded already means the same.
    openai_client.chat.completions.create(model=encoded, messages=MESSAGES)
    assert arrived()[2]["path"] == f"/model/{encoded}/converse"


@pytest.mark.parametrize("lines", [
    {"Connection": "x-amz-date"},
    {"Connection": "close, x-amz-date, host, authorization, x-amz-content-sha256, x-amz-security-token"},
    {"Connection": "X-Amz-Date", "X-Amz-Date": "20200101T000000Z", "x-amz-security-token": "forged"},
    {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIDCALLER/20200101/us-east-1/bedrock/aws4_request, "
                      "SignedHeaders=host, Signature=00", "x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
    {"x-amz-target": "Evil.Do", "x-amz-meta-x": "1", "x-amz-trailer": "x", "Host": "evil.example"},
], ids=lambda lines: ", ".join(lines))
def test_no_header_of_a_callers_takes_a_signature_apart(lines):
    host, body = urllib.parse.urlsplit(GATEWAY).netloc, json.dumps({"model": MODEL, "messages": MESSAGES})
    connection = http.client.HTTPConnection(host, timeout=20)
    connection.putrequest("POST", "/v1/chat/completions?X-Amz-Signature=00&X-Amz-Expires=9", skip_host="Host" in lines)
    own = {"x-portkey-api-key": GATEWAY_KEY, "x-portkey-provider": "@bedrock-session", "Content-Type": "application/json"}
    for name, value in {**own, **lines, "Content-Length": len(body.encode())}.items():
        connection.putheader(name, value)
    connection.endheaders(body.encode())
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    request = only_arrival()
    assert request["shown"]["signed"] == ["content-type", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"]
    assert request["query"] == ""
    assert not [name for name, _ in request["headers"] if name in ("x-amz-target", "x-amz-meta-x", "x-amz-trailer")]


def test_every_attempt_has_a_signature_of_its_own():
    model = f"flaky-3-{uuid.uuid4()}"
    completion = client(config="pc-bedrock-retry").chat.completions.create(model=model, messages=MESSAGES)
    assert completion.choices[0].message.content == WORDS
    requests = arrived()
    assert len(requests) == 4
    assert len({request["sha256"] for request in requests}) == 1
    # 0.5, 1 and 2 s lie between them at least.
    dates = [request["shown"]["date"] for request in requests]
    assert len(set(dates)) >= 3 and dates == sorted(dates)


def test_five_mebibytes():
    image = bytes(range(256)) * 4096 * 5
    assert len(image) == 5 * 1024 * 1024
    url = "data:image/png;base64," + base64.b64encode(image).decode()
    content = [{"type": "image_url", "image_url": {"url": url}}]
    completion = client(provider="@bedrock").chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": content}],
    )
    assert completion.choices[0].message.content == f"png {sha256(image)}"
    answer = runtime().invoke_model(modelId="custom", body=json.dumps({"x": image.hex()[:5 * 1024 * 1024]}))
    assert json.loads(answer["body"].read())["members"] == ["x"]
    assert [request["length"] > 5 * 1024 * 1024 for request in arrived()] == [True, True]


# --- STS


async def ask_at_once(count, key, slug):
    """So many requests, all of them under way before one is answered: statuses and bodies."""
    parts = urllib.parse.urlsplit(GATEWAY)
    body = json.dumps({"model": MODEL, "messages": MESSAGES}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\ncontent-type: application/json\r\n"
        f"x-portkey-api-key: {key}\r\nx-portkey-provider: @{slug}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )

    async def ask():
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(head.encode() + body)
        answer = await asyncio.wait_for(reader.read(), 60)
        writer.close()
        return int(answer.split()[1])

    return await asyncio.gather(*(ask() for _ in range(count)))


def test_a_thousand_requests_on_a_cold_role_make_one_call():
    statuses = asyncio.run(ask_at_once(1000, GATEWAY_KEY, "bedrock-role-storm"))
    assert statuses == [200] * 1000
    requests = arrived()
    assert [request["shown"]["service"] for request in requests].count("sts") == 1
    assert len(requests) == 1001
    assert len({request["shown"]["key"] for request in requests if request["path"] != "/"}) == 1


def test_two_tenants_never_share_a_session():
    async def both():
        tenants = (f"{TENANT_KEY}-one", f"{TENANT_KEY}-two")
        return await asyncio.gather(*(ask_at_once(50, key, "bedrock-role-tenants") for key in tenants))

    assert asyncio.run(both()) == [[200] * 50] * 2
    calls = [request for request in arrived() if request["path"] == "/"]
    sessions = [request["shown"]["key"] for request in chats()]
    assert (len(calls), len(sessions)) == (2, 100)
    assert sorted(sessions.count(session) for session in set(sessions)) == [50, 50]


@pytest.mark.parametrize("mode", ["slow", "failing"])
def test_sts_that_does_not_answer_is_503_and_asked_again(mode):
    control("POST", f"/sts/{mode}")
    began = time.monotonic()
    with pytest.raises(openai.InternalServerError) as raised:
        client(provider=f"@bedrock-role-{mode}").chat.completions.create(model=MODEL, messages=MESSAGES)
    assert raised.value.status_code == 503
    assert time.monotonic() - began < 6
    assert chats() == []
    assert "arn:" not in str(raised.value) and "AccessDenied" not in str(raised.value)
    control("POST", "/sts/ok")
    completion = client(provider=f"@bedrock-role-{mode}").chat.completions.create(model=MODEL, messages=MESSAGES)
    assert completion.choices[0].message.content == WORDS
    assert [request["path"] for request in arrived()].count("/") == 2


# --- OpenAI's own client


def test_chat_completion():
    completion = client(provider="@bedrock").chat.completions.create(
        model=MODEL, messages=[{"role": "system", "content": "Be brief."}, {"role": "developer", "content": "Be kind."}, *MESSAGES],
        max_completion_tokens=9, temperature=0, top_p=0.5, stop="END", user="u-1",
    )
    assert (completion.object, completion.model) == ("chat.completion", MODEL)
    choice, usage = completion.choices[0], completion.usage
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant")
    assert (choice.message.content, choice.message.tool_calls) == (WORDS, None)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (27, 3, 30)
    assert usage.prompt_tokens_details.cached_tokens == 20
    body = json.loads(only_arrival()["body"])
    assert body["system"] == [{"text": "Be brief."}, {"text": "Be kind."}]
    assert body["inferenceConfig"] == {"maxTokens": 9, "stopSequences": ["END"], "temperature": 0, "topP": 0.5}
    assert body["additionalModelRequestFields"] == {"metadata": {"user_id": "u-1"}}


def joined(stream):
    """What a client puts together of a stream: text, calls, reasons, usage."""
    text, calls, reasons, usage = "", [], [], None
    for chunk in stream:
        assert chunk.object == "chat.completion.chunk" and chunk.model
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                if call.index == len(calls):
                    calls.append({"id": call.id, "type": call.type, "name": call.function.name, "arguments": ""})
                calls[call.index]["arguments"] += call.function.arguments
            if choice.finish_reason:
                reasons.append(choice.finish_reason)
    return text, calls, reasons, usage


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_tools_go_there_and_back(stream):
    openai_client = client(provider="@bedrock")
    answer = openai_client.chat.completions.create(
        model=MODEL, messages=MESSAGES, tools=TOOLS, tool_choice="required", stream=stream,
    )
    if stream:
        text, calls, reasons, _ = joined(answer)
    else:
        [choice] = answer.choices
        text, reasons = choice.message.content, [choice.finish_reason]
        calls = [{"id": call.id, "type": call.type, **call.function.to_dict()} for call in choice.message.tool_calls]
    assert (text, reasons) == ("Let me see.", ["tool_calls"])
    assert [(call["id"], call["type"], call["name"], json.loads(call["arguments"])) for call in calls] == [
        (f"tooluse_{city}", "function", "weather", {"city": city}) for city in ("Köln", "Bonn")
    ]
    body = json.loads(only_arrival()["body"])
    assert body["toolConfig"]["toolChoice"] == {"any": {}}
    assert body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"] == TOOLS[0]["function"]["parameters"]

    said = {
        "role": "assistant", "content": text,
        "tool_calls": [{"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}} for call in calls],
    }
    results = [{"role": "tool", "tool_call_id": call["id"], "content": f"rain {number}"} for number, call in enumerate(calls)]
    completion = openai_client.chat.completions.create(model=MODEL, messages=[*MESSAGES, said, *results], tools=TOOLS)
    assert completion.choices[0].message.content == "tooluse_Köln: rain 0; tooluse_Bonn: rain 1"


def test_a_stream_arrives_event_by_event():
    model = f"held-{uuid.uuid4()}"
    stream = iter(client(provider="@bedrock").chat.completions.create(model=model, messages=MESSAGES, stream=True))
    first = next(stream)
    assert first.choices[0].delta.role == "assistant"
    part = next(stream)
    assert part.choices[0].delta.content == WORDS[:5]
    assert not control("GET", f"/streams/{model}")["finished"]
    control("POST", f"/streams/{model}")
    text, _, reasons, usage = joined(stream)
    assert (text, reasons, usage) == (WORDS[5:], ["stop"], None)


def test_a_stream_ends_with_its_usage_where_that_is_asked_for():
    chunks = list(client(provider="@bedrock").chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, stream_options={"include_usage": True},
    ))
    text, _, reasons, usage = joined(chunks)
    assert (text, reasons) == (WORDS, ["stop"])
    assert (chunks[-1].choices, usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == ([], 27, 3, 30)
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].delta.role for chunk in chunks if chunk.choices].count("assistant") == 1


def test_images_go_by_their_real_kind():
    def part(kind, content):
        return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{base64.b64encode(content).decode()}"}}

    content = [
        {"type": "text", "text": "look"}, part("image/png", PNG), part("image/gif", GIF), part("image/jpg", b"\xff\xd8"),
    ]
    completion = client(provider="@bedrock").chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": content}],
    )
    expected = f"look; png {sha256(PNG)}; gif {sha256(GIF)}; jpeg {sha256(bytes([255, 216]))}"
    assert completion.choices[0].message.content == expected
    with pytest.raises(openai.BadRequestError, match=r"messages\[0\].content\[0\].image_url.url"):
        url = {"type": "image_url", "image_url": {"url": "https://images.example/a.png"}}
        client(provider="@bedrock").chat.completions.create(model=MODEL, messages=[{"role": "user", "content": [url]}])
    assert len(arrived()) == 1


ERRORS = {
    "ValidationException": openai.BadRequestError,
    "AccessDeniedException": openai.PermissionDeniedError,
    "ResourceNotFoundException": openai.NotFoundError,
    "ModelTimeoutException": openai.APIStatusError,
    "ModelErrorException": openai.APIStatusError,
    "ThrottlingException": openai.RateLimitError,
    "InternalServerException": openai.InternalServerError,
    "ServiceUnavailableException": openai.InternalServerError,
}
STATUSES = [400, 403, 404, 408, 424, 429, 500, 503]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name, status", list(zip(ERRORS, STATUSES)))
def test_awss_errors_are_openais(name, status, stream):
    with pytest.raises(ERRORS[name], match=f"bedrock error: {name} it is") as raised:
        client(provider="@bedrock").chat.completions.create(model=name, messages=MESSAGES, stream=stream)
    assert (raised.value.status_code, raised.value.type, raised.value.code) == (status, name, None)
    assert len(arrived()) == 1


@pytest.mark.parametrize("exception", ["throttlingException", "modelStreamErrorException", "internalServerException"])
def test_an_exception_within_a_stream_is_an_error(exception):
    stream = client(provider="@bedrock").chat.completions.create(
        model=f"broken-{exception}", messages=MESSAGES, stream=True,
    )
    text = ""
    with pytest.raises(openai.APIError, match="it broke") as raised:
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            assert chunk.choices[0].finish_reason is None
    assert text == WORDS
    assert raised.value.type == exception[0].upper() + exception[1:]


def test_a_stream_that_is_cut_off_is_an_error():
    stream = client(provider="@bedrock").chat.completions.create(model="cut-off", messages=MESSAGES, stream=True)
    with pytest.raises(openai.APIError):
        for _ in stream:
            pass


@pytest.mark.parametrize("model, input_, tokens", [
    ("amazon.titan-embed-text-v2:0", "one", 4), ("amazon.titan-embed-text-v2:0", ["one", "two"], 8),
    ("cohere.embed-english-v3", ["one", "two", "three"], 12),
])
def test_embeddings(model, input_, tokens):
    answer = client(provider="@bedrock").embeddings.create(model=model, input=input_)
    count = 1 if isinstance(input_, str) else len(input_)
    assert [item.embedding for item in answer.data] == [[0.25, -0.5, 1.0]] * count
    assert (answer.model, answer.usage.prompt_tokens) == (model, tokens)


# --- Files, which are objects of S3


LINES = b"".join(b'{"recordId":"%d","modelInput":{"n":%d}}\r\n' % (number, number) for number in range(20_000)) + b"\n--x\r\n\0"


def test_a_file_is_an_object():
    openai_client = client(provider="@bedrock")
    uploaded = openai_client.files.create(file=("lines.jsonl", io.BytesIO(LINES), "application/jsonl"), purpose="batch")
    request = only_arrival()
    shown = request["shown"]
    assert (request["method"], shown["service"], shown["key"]) == ("PUT", "s3", "AKIDSTORED")
    assert (request["sha256"], dict(request["headers"])["content-type"]) == (sha256(LINES), "application/jsonl")
    assert request["path"].startswith("/stored-bucket/") and request["path"].endswith(".jsonl")
    assert (uploaded.object, uploaded.bytes, uploaded.purpose, uploaded.status) == ("file", len(LINES), "batch", "processed")
    assert uploaded.filename == "s3:/" + request["path"]
    assert uploaded.id == urllib.parse.quote(uploaded.filename, safe="")
    # By the id that was given out, and by the object's own name.
    for file_id in (uploaded.id, uploaded.filename):
        found = openai_client.files.retrieve(file_id)
        assert (found.id, found.bytes, found.created_at) == (uploaded.id, len(LINES), 1735787045)
        assert openai_client.files.content(file_id).read() == LINES
    with pytest.raises(openai.NotFoundError, match="The key does not exist") as raised:
        openai_client.files.content("s3://stored-bucket/nothing here+&.jsonl")
    assert raised.value.type == "NoSuchKey"
    assert arrived()[-1]["path"] == "/stored-bucket/nothing%20here%2B%26.jsonl"
    for call in (lambda: openai_client.files.delete(uploaded.id), lambda: openai_client.files.list()):
        with pytest.raises(openai.APIStatusError) as raised:
            call()
        assert raised.value.status_code == 501


def test_a_callers_object_has_the_name_that_it_is_given():
    openai_client = client(
        provider="bedrock", **callers_keys("ASIACALLER"), aws_s3_bucket="callers-bucket", aws_s3_object_key="a b/u+c.jsonl",
        amz_server_side_encryption_aws_kms_key_id="arn:aws:kms:us-east-1:1:key/k",
    )
    uploaded = openai_client.files.create(file=("x", b"{}"), purpose="fine-tune")
    request = only_arrival()
    headers = dict(request["headers"])
    assert (request["path"], uploaded.filename) == ("/callers-bucket/a%20b/u%2Bc.jsonl", "s3://callers-bucket/a b/u+c.jsonl")
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:us-east-1:1:key/k"
    assert {"x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"} <= set(request["shown"]["signed"])
    assert (uploaded.purpose, uploaded.bytes) == ("fine-tune", 2)


def test_a_file_that_is_too_long_is_413():
    with pytest.raises(openai.APIStatusError) as raised:
        client(provider="@bedrock").files.create(file=("x", bytes(33 * 1024 * 1024)), purpose="batch")
    assert raised.value.status_code == 413
    with pytest.raises(openai.BadRequestError, match="aws_s3_bucket|aws-s3-bucket"):
        client(provider="@bedrock-session").files.create(file=("x", b"{}"), purpose="batch")
    with pytest.raises(openai.BadRequestError, match="opens no bucket"):
        client(provider="@bedrock-key").files.content("s3://anybodys/key")
    assert arrived() == []


# --- Anthropic's messages, and what else a model is asked


def post(path, body, **headers):
    request = urllib.request.Request(GATEWAY + path, json.dumps(body).encode(), {
        "content-type": "application/json", "x-portkey-api-key": GATEWAY_KEY, "x-portkey-provider": "@bedrock", **headers,
    })
    try:
        with _direct.open(request, timeout=20) as answer:
            return answer.status, answer.headers["content-type"], answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers["content-type"], error.read()


@pytest.mark.parametrize("model", [MODEL, MODELS[5], MODELS[6]])
def test_messages_of_anthropics(model):
    made = anthropic_client()
    message = made.messages.create(model=model, max_tokens=9, messages=MESSAGES)
    assert (message.content[0].text, message.stop_reason, message.usage.output_tokens) == (WORDS, "end_turn", 3)
    with made.messages.stream(model=model, max_tokens=9, messages=MESSAGES) as stream:
        assert "".join(stream.text_stream) == WORDS
        assert stream.get_final_message().stop_reason == "end_turn"
    encoded = urllib.parse.quote(model, safe="-._~")
    whole, streamed = arrived()
    assert (whole["path"], streamed["path"]) == (f"/model/{encoded}/invoke", f"/model/{encoded}/invoke-with-response-stream")
    assert sorted(json.loads(streamed["body"])) == ["anthropic_version", "max_tokens", "messages"]
    betas = made.beta.messages.create(model=model, max_tokens=9, messages=MESSAGES, betas=["a-1", "b-2"])
    assert betas.content[0].text == WORDS
    assert json.loads(arrived()[-1]["body"])["anthropic_beta"] == ["a-1", "b-2"]


def test_errors_of_messages_are_anthropics():
    made = anthropic_client()
    with pytest.raises(anthropic.RateLimitError, match="bedrock error: ThrottlingException it is") as raised:
        made.messages.create(model="arn:aws:bedrock:us-east-1:1:provisioned-model/ThrottlingException", max_tokens=9, messages=MESSAGES)
    assert raised.value.body["error"]["type"] == "rate_limit_error"
    with pytest.raises(anthropic.APIStatusError, match="it broke"):
        with made.messages.stream(model="anthropic.broken", max_tokens=9, messages=MESSAGES) as stream:
            list(stream.text_stream)
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        made.messages.create(model=MODEL, messages=MESSAGES, max_tokens=anthropic.NOT_GIVEN)


def test_tokens_are_counted():
    counted = anthropic_client().messages.count_tokens(model="us." + MODEL, messages=MESSAGES)
    assert counted.input_tokens == len(WORDS)
    # Without the region that profiles begin with.
    assert only_arrival()["path"] == f"/model/{urllib.parse.quote(MODEL, safe='-._~')}/count-tokens"


def anthropic_client():
    headers = createHeaders(api_key=GATEWAY_KEY, provider="@bedrock")
    return anthropic.Anthropic(base_url=GATEWAY, api_key="not-a-credential", default_headers=headers, max_retries=0, timeout=20)


def test_documents_are_ranked_in_coheres_words():
    body = {"model": "cohere.rerank-v3-5:0", "query": "q", "documents": ["a", {"text": "b"}, {"c": 1}], "top_n": 2}
    status, kind, answer = post("/v1/rerank", body)
    assert (status, kind) == (200, "application/json"), answer
    assert json.loads(answer)["results"] == [{"index": 0, "relevance_score": 1.0}, {"index": 1, "relevance_score": 0.5}]
    assert only_arrival()["path"] == "/rerank"


@pytest.mark.parametrize("path, model", [
    ("/v1/completions", "meta.llama"), ("/v1/images/generations", "stability.sd"), ("/v1/chat/completions", "ai21.j2-mid-v1"),
])
def test_what_has_no_common_words_goes_in_the_vendors_own(path, model):
    status, _, answer = post(path, {"model": model, "stream": False, "prompt": "x", "steps": 1.50})
    assert (status, json.loads(answer)["members"]) == (200, ["prompt", "steps"])
    assert (only_arrival()["path"], only_arrival()["body"]) == (f"/model/{model}/invoke", '{"prompt":"x","steps":1.5}')
    status, _, answer = post(path.replace("chat/", ""), {"model": "ThrottlingException", "prompt": "x"})
    assert (status, json.loads(answer)["error"]["message"]) == (429, "bedrock error: ThrottlingException it is")


# --- AWS's own client, for AWS's own routes


def runtime(slug="@bedrock", key=GATEWAY_KEY, attempts=1):
    """boto3 signs with keys of its own, which are worth nothing: the gateway takes that signature off."""
    made = boto3.client(
        "bedrock-runtime", endpoint_url=f"{GATEWAY}/v1", region_name="us-east-1",
        aws_access_key_id="AKIDNOBODY", aws_secret_access_key="nobody", aws_session_token="nobodys-token",
        config=Config(retries={"total_max_attempts": attempts, "mode": "standard"}, read_timeout=20),
    )

    def show(request, **_):
        request.headers["x-portkey-api-key"] = key
        request.headers["x-portkey-provider"] = slug

    made.meta.events.register("before-sign.bedrock-runtime.*", show)
    return made


SAID = [{"role": "user", "content": [{"text": WORDS}]}]


@pytest.mark.parametrize("model", MODELS[:10])
def test_boto3_converses(model):
    answer = runtime().converse(modelId=model, messages=SAID, inferenceConfig={"maxTokens": 9})
    assert answer["output"]["message"]["content"] == [{"text": WORDS}]
    assert (answer["stopReason"], answer["usage"]["totalTokens"]) == ("end_turn", 30)
    request = only_arrival()
    assert (request["shown"]["key"], request["shown"]["region"]) == ("AKIDSTORED", "eu-central-1")
    assert "nobody" not in json.dumps(request).lower()


@pytest.mark.parametrize("slug", ["@bedrock-session", "@bedrock-key", "@bedrock-role-one"])
def test_boto3_converses_with_every_entry(slug):
    answer = runtime(slug).converse(modelId=MODEL, messages=SAID)
    assert answer["output"]["message"]["content"] == [{"text": WORDS}]


def test_boto3_reads_images_and_tools():
    tool = {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}
    answer = runtime().converse(modelId=MODEL, messages=SAID, toolConfig={"tools": [tool]})
    assert answer["stopReason"] == "tool_use"
    assert answer["output"]["message"]["content"][1]["toolUse"]["input"] == {"city": "Köln"}
    image = {"image": {"format": "png", "source": {"bytes": PNG}}}
    answer = runtime().converse(modelId=MODEL, messages=[{"role": "user", "content": [image]}])
    assert answer["output"]["message"]["content"][0]["text"] == f"png {sha256(PNG)}"


def test_boto3_reads_a_stream_event_by_event():
    model = f"held-{uuid.uuid4()}"
    stream = iter(runtime().converse_stream(modelId=model, messages=SAID)["stream"])
    assert next(stream) == {"messageStart": {"role": "assistant"}}
    assert next(stream)["contentBlockDelta"]["delta"] == {"text": WORDS[:5]}
    assert not control("GET", f"/streams/{model}")["finished"]
    control("POST", f"/streams/{model}")
    rest = list(stream)
    assert rest[0]["contentBlockDelta"]["delta"] == {"text": WORDS[5:]}
    assert rest[-1]["metadata"]["usage"]["totalTokens"] == 30


def test_boto3_invokes():
    asked = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": MESSAGES}
    answer = runtime().invoke_model(modelId=MODEL, body=json.dumps(asked))
    assert json.loads(answer["body"].read())["content"][0]["text"] == WORDS
    stream = runtime().invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(asked))["body"]
    events = [json.loads(event["chunk"]["bytes"]) for event in stream]
    assert "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta") == WORDS
    assert events[-1] == {"type": "message_stop"}
    # Bytes that are no JSON are sent as they are.
    blob = bytes(range(256)) * 9
    with pytest.raises(botocore.exceptions.ClientError, match="not JSON"):
        runtime().invoke_model(modelId="custom", body=blob, contentType="application/octet-stream")
    *_, last = arrived()
    assert (last["sha256"], last["length"]) == (sha256(blob), len(blob))
    control("POST", "/reset")


@pytest.mark.parametrize("name, status", list(zip(ERRORS, STATUSES)))
def test_boto3_knows_awss_errors(name, status):
    made = runtime()
    with pytest.raises(getattr(made.exceptions, name), match=f"{name} it is") as raised:
        made.converse(modelId=name, messages=SAID)
    assert raised.value.response["Error"]["Code"] == name
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_boto3_knows_an_exception_within_a_stream():
    stream = runtime().converse_stream(modelId="broken-throttlingException", messages=SAID)["stream"]
    with pytest.raises(botocore.exceptions.EventStreamError, match="it broke") as raised:
        list(stream)
    assert raised.value.response["Error"]["Code"] == "throttlingException"


def test_boto3_retries_with_a_signature_of_its_own_each_time():
    model = f"flaky-1-{uuid.uuid4()}"
    retrying = runtime(attempts=3)
    assert retrying.converse(modelId=model, messages=SAID)["stopReason"] == "end_turn"
    assert len(arrived()) == 2


def test_boto3_without_a_gateway_key_is_refused():
    with pytest.raises(botocore.exceptions.ClientError) as raised:
        runtime(key="gateway-key-of-nobody-0123456789").converse(modelId=MODEL, messages=SAID)
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 401
    assert arrived() == []
