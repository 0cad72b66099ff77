"""The Python packages `openai` and `portkey-ai` against the gateway."""

import asyncio
import io
import time

import openai
import pytest
from portkey_ai import AsyncPortkey, Portkey, createHeaders
from portkey_ai._vendor import openai as portkey_openai

from support import *

WRONG_KEY = GATEWAY_KEY[:-1] + "x"
MESSAGES = [{"role": "user", "content": WORDS}]

# `portkey-ai` raises the errors of its own copy of `openai`.
AUTHENTICATION_ERRORS = (openai.AuthenticationError, portkey_openai.AuthenticationError)
BAD_REQUEST_ERRORS = (openai.BadRequestError, portkey_openai.BadRequestError)
RATE_LIMIT_ERRORS = (openai.RateLimitError, portkey_openai.RateLimitError)


def openai_options(gateway, bearer, /, **headers):
    return {
        "base_url": f"{gateway}/v1",
        "api_key": bearer,
        "default_headers": createHeaders(**headers),
        "max_retries": 0,
        "timeout": 20,
    }


def portkey_options(gateway, /, **options):
    return {"base_url": f"{gateway}/v1", **options}


# The ways in which a caller shows its gateway key and its provider credential. Without a provider key, `portkey-ai`
# sends the text OPENAI_API_KEY as one: the provider would refuse it.
OPENAI_CLIENTS = {
    "openai, provider header": openai_options(GATEWAY, OPENAI_KEY, api_key=GATEWAY_KEY, provider="openai"),
    "openai, config": openai_options(GATEWAY, "not-a-credential", api_key=GATEWAY_KEY, config=CONFIG),
    "openai, gateway key as bearer": openai_options(GATEWAY, GATEWAY_KEY, config=CONFIG),
    "openai, open mode, provider header": openai_options(OPEN_GATEWAY, OPENAI_KEY, provider="openai"),
    "openai, open mode, config": openai_options(OPEN_GATEWAY, "not-a-credential", config=CONFIG),
}
PORTKEY_CLIENTS = {
    "portkey, config": portkey_options(GATEWAY, api_key=GATEWAY_KEY, config=CONFIG),
    "portkey, provider": portkey_options(
        GATEWAY, api_key=GATEWAY_KEY, provider="openai", Authorization=f"Bearer {OPENAI_KEY}"
    ),
    "portkey, open mode, config": portkey_options(OPEN_GATEWAY, config=CONFIG),
    "portkey, open mode, provider": portkey_options(
        OPEN_GATEWAY, provider="openai", Authorization=f"Bearer {OPENAI_KEY}"
    ),
}
# The provider's credential is the gateway's; what these clients send as one must not arrive.
STORED_OPENAI_CLIENTS = {
    "openai, slug": openai_options(GATEWAY, "not-a-credential", api_key=GATEWAY_KEY, provider="@openai-prod"),
    "openai, virtual key": openai_options(GATEWAY, OPENAI_KEY, api_key=GATEWAY_KEY, virtual_key="openai-prod"),
    "openai, saved config": openai_options(GATEWAY, "not-a-credential", api_key=GATEWAY_KEY, config="pc-stored"),
    "openai, gateway key as bearer, saved config": openai_options(GATEWAY, GATEWAY_KEY, config="pc-stored"),
    "openai, default config": openai_options(GATEWAY, DEFAULT_KEY),
}
STORED_PORTKEY_CLIENTS = {
    "portkey, slug": portkey_options(GATEWAY, api_key=GATEWAY_KEY, provider="@openai-prod"),
    "portkey, virtual key": portkey_options(GATEWAY, api_key=GATEWAY_KEY, virtual_key="openai-prod"),
    "portkey, saved config": portkey_options(GATEWAY, api_key=GATEWAY_KEY, config="pc-stored"),
    "portkey, default config": portkey_options(GATEWAY, api_key=DEFAULT_KEY),
}
STORED_CLIENTS = [*STORED_OPENAI_CLIENTS, *STORED_PORTKEY_CLIENTS]
OPENAI_CLIENTS |= STORED_OPENAI_CLIENTS
PORTKEY_CLIENTS |= STORED_PORTKEY_CLIENTS
every_client = pytest.mark.parametrize("name", [*OPENAI_CLIENTS, *PORTKEY_CLIENTS])


def client_named(name):
    return openai.OpenAI(**OPENAI_CLIENTS[name]) if name in OPENAI_CLIENTS else Portkey(**PORTKEY_CLIENTS[name])


def embeddings_options(name):
    """`openai` asks for base64 and decodes it; `portkey-ai` asks for the same but does not decode."""
    return {} if name in OPENAI_CLIENTS else {"encoding_format": "float"}


def async_client_named(name):
    if name in OPENAI_CLIENTS:
        return openai.AsyncOpenAI(**OPENAI_CLIENTS[name])
    return AsyncPortkey(**PORTKEY_CLIENTS[name])


@every_client
def test_chat_completion(name, model):
    completion = client_named(name).chat.completions.create(model=model, messages=MESSAGES)
    assert completion.model == model
    assert completion.choices[0].message.content == WORDS
    request = only_request_at_provider()
    assert (request["path"], request["stored"]) == ("/v1/chat/completions", name in STORED_CLIENTS)


@every_client
def test_stream_arrives_chunk_by_chunk(name, model):
    stream = iter(client_named(name).chat.completions.create(model=model, messages=MESSAGES, stream=True))
    assert next(stream).choices[0].delta.content == "first"
    assert not stream_is_finished(model)
    finish_stream(model)
    rest = list(stream)
    assert rest[0].choices[0].delta.content == " last"
    assert rest[-1].choices[0].finish_reason == "stop"


@every_client
def test_embeddings(name, model):
    embeddings = client_named(name).embeddings.create(model=model, input=WORDS, **embeddings_options(name))
    assert embeddings.data[0].embedding == VECTOR


@every_client
def test_upload_arrives_unchanged(name):
    uploaded = client_named(name).files.create(file=("upload.bin", io.BytesIO(FILE)), purpose="batch")
    assert (uploaded.id, uploaded.bytes, uploaded.purpose) == (FILE_ID, len(FILE), "batch")


@every_client
def test_list_of_models_is_passed_through(name):
    assert [listed.id for listed in client_named(name).models.list().data] == ["model-1"]
    assert only_request_at_provider()["path"] == "/v1/models"


@every_client
def test_rate_limit_of_the_provider(name):
    with pytest.raises(RATE_LIMIT_ERRORS, match="slow down") as raised:
        client_named(name).chat.completions.create(model=RATE_LIMITED_MODEL, messages=MESSAGES)
    assert raised.value.response.headers["retry-after"] == RETRY_AFTER
    assert raised.value.code == "rate_limit_exceeded"
    assert len(requests_at_provider()) == 1


def test_portkey_leaves_retries_to_the_gateway():
    """It repeats a request that failed, unless the response tells of a gateway."""
    with pytest.raises(portkey_openai.InternalServerError, match="out of order"):
        client_named("portkey, config").chat.completions.create(model=FAILING_MODEL, messages=MESSAGES)
    assert len(requests_at_provider()) == 1


@every_client
def test_async_client(name, model):
    async def use(client):
        completion = await client.chat.completions.create(model=model, messages=MESSAGES)
        assert completion.choices[0].message.content == WORDS

        stream = aiter(await client.chat.completions.create(model=model, messages=MESSAGES, stream=True))
        assert (await anext(stream)).choices[0].delta.content == "first"
        assert not stream_is_finished(model)
        finish_stream(model)
        assert (await anext(stream)).choices[0].delta.content == " last"
        assert [chunk.choices[0].finish_reason async for chunk in stream] == ["stop"]

        embeddings = await client.embeddings.create(model=model, input=WORDS, **embeddings_options(name))
        assert embeddings.data[0].embedding == VECTOR

        uploaded = await client.files.create(file=("upload.bin", io.BytesIO(FILE)), purpose="batch")
        assert uploaded.id == FILE_ID

        with pytest.raises(RATE_LIMIT_ERRORS) as raised:
            await client.chat.completions.create(model=RATE_LIMITED_MODEL, messages=MESSAGES)
        assert raised.value.response.headers["retry-after"] == RETRY_AFTER

    asyncio.run(asyncio.wait_for(use(async_client_named(name)), timeout=60))


SLUG_IN_MODEL_CLIENTS = {
    "openai": lambda: openai.OpenAI(**openai_options(GATEWAY, GATEWAY_KEY)),
    "portkey": lambda: Portkey(**portkey_options(GATEWAY, api_key=GATEWAY_KEY)),
}


@pytest.mark.parametrize("name", SLUG_IN_MODEL_CLIENTS)
def test_slug_in_the_model(name, model):
    client = SLUG_IN_MODEL_CLIENTS[name]()
    completion = client.chat.completions.create(model=f"@openai-prod/{model}", messages=MESSAGES)
    assert (completion.model, completion.choices[0].message.content) == (model, WORDS)
    embeddings = client.embeddings.create(model=f"@openai-prod/{model}", input=WORDS, encoding_format="float")
    assert embeddings.data[0].embedding == VECTOR
    assert all(request["stored"] for request in requests_at_provider())


FALLBACK_CLIENTS = {
    "openai": lambda config: openai.OpenAI(**openai_options(GATEWAY, "none", api_key=GATEWAY_KEY, config=config)),
    "portkey": lambda config: Portkey(**portkey_options(GATEWAY, api_key=GATEWAY_KEY, config=config)),
}


@pytest.mark.parametrize("name", FALLBACK_CLIENTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_fallback(name, fault, model):
    client = FALLBACK_CLIENTS[name](f"pc-after-{fault}")
    completion = client.chat.completions.create(model=model, messages=MESSAGES)
    assert completion.choices[0].message.content == WORDS
    paths = [request["path"] for request in requests_at_provider()]
    assert paths == [f"/{fault}/v1/chat/completions", "/v1/chat/completions"]


@pytest.mark.parametrize("name", FALLBACK_CLIENTS)
@pytest.mark.parametrize("fault", FAULTS)
def test_fallback_of_a_stream(name, fault, model):
    client = FALLBACK_CLIENTS[name](f"pc-after-{fault}")
    stream = iter(client.chat.completions.create(model=model, messages=MESSAGES, stream=True))
    assert next(stream).choices[0].delta.content == "first"
    assert not stream_is_finished(model)
    finish_stream(model)
    assert next(stream).choices[0].delta.content == " last"
    assert [chunk.choices[0].finish_reason for chunk in stream] == ["stop"]
    assert len(requests_at_provider()) == 2


@pytest.mark.parametrize("name", FALLBACK_CLIENTS)
def test_slug_that_nobody_has(name, model):
    client = FALLBACK_CLIENTS[name]({"provider": "@openai-other"})
    with pytest.raises(BAD_REQUEST_ERRORS, match="Following keys are not valid: openai-other"):
        client.chat.completions.create(model=model, messages=MESSAGES)
    assert requests_at_provider() == []


@pytest.mark.parametrize(
    "client",
    [
        openai.OpenAI(**openai_options(GATEWAY, OPENAI_KEY, api_key=WRONG_KEY, provider="openai")),
        openai.OpenAI(**openai_options(GATEWAY, WRONG_KEY, config=CONFIG)),
        Portkey(**portkey_options(GATEWAY, api_key=WRONG_KEY, config=CONFIG)),
    ],
    ids=["openai, provider header", "openai, gateway key as bearer", "portkey, config"],
)
def test_wrong_gateway_key(client, model):
    with pytest.raises(AUTHENTICATION_ERRORS) as raised:
        client.chat.completions.create(model=model, messages=MESSAGES)
    assert raised.value.body == {"message": INVALID_KEY, "code": "03"}
    assert raised.value.code == "03"
    assert INVALID_KEY in str(raised.value)
    assert requests_at_provider() == []


def test_wrong_gateway_key_async(model):
    async def use(client):
        with pytest.raises(AUTHENTICATION_ERRORS, match=INVALID_KEY):
            await client.chat.completions.create(model=model, messages=MESSAGES)

    asyncio.run(use(openai.AsyncOpenAI(**openai_options(GATEWAY, OPENAI_KEY, api_key=WRONG_KEY, provider="openai"))))
    asyncio.run(use(AsyncPortkey(**portkey_options(GATEWAY, api_key=WRONG_KEY, config=CONFIG))))
    assert requests_at_provider() == []


@pytest.mark.parametrize(
    "client",
    [
        openai.OpenAI(**openai_options(GATEWAY, OPENAI_KEY, api_key=GATEWAY_KEY)),
        openai.OpenAI(**openai_options(OPEN_GATEWAY, OPENAI_KEY)),
        Portkey(**portkey_options(GATEWAY, api_key=GATEWAY_KEY)),
        Portkey(**portkey_options(OPEN_GATEWAY)),
    ],
    ids=["openai", "openai, open mode", "portkey", "portkey, open mode"],
)
def test_no_provider(client, model):
    with pytest.raises(BAD_REQUEST_ERRORS, match=NO_PROVIDER):
        client.chat.completions.create(model=model, messages=MESSAGES)
    assert requests_at_provider() == []


def test_gateway_headers_on_the_response(model):
    headers = createHeaders(trace_id="trace-of-the-caller")
    client = client_named("openai, provider header")
    response = client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES, extra_headers=headers)
    assert response.headers["x-portkey-trace-id"] == "trace-of-the-caller"
    assert response.headers["x-portkey-provider"] == "openai"


def test_gateway_headers_through_portkey(model):
    completion = client_named("portkey, config").chat.completions.create(model=model, messages=MESSAGES)
    assert completion.get_headers()["provider"] == "openai"
    assert completion.get_headers()["trace-id"]


def limited_client(name, **options):
    return openai.OpenAI(**openai_options(GATEWAY, f"{LIMITED_KEY}-{name}", provider="@openai-prod") | options)


def test_rate_limit_of_a_key(model):
    client = limited_client("python-once")
    response = client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES)
    assert response.headers["x-ratelimit-limit-requests"] == "1"
    assert response.headers["x-ratelimit-limit-tokens"] == "100000"
    with pytest.raises(openai.RateLimitError, match="rate limit exceded") as raised:
        client.chat.completions.create(model=model, messages=MESSAGES)
    assert raised.value.code == "05"
    assert int(raised.value.response.headers["retry-after"]) > 0
    assert raised.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    # Of two tokens that the answer said it has used.
    assert raised.value.response.headers["x-ratelimit-remaining-tokens"] == "99998"
    assert len(requests_at_provider()) == 1


def test_retry_after_is_honoured(model):
    client = limited_client("python-second", max_retries=3)
    for _ in range(5):
        began = time.monotonic()
        response = client.chat.completions.with_raw_response.create(model=model, messages=MESSAGES)
        if response.retries_taken > 0:
            # Without the header it would have tried again after half a second.
            assert time.monotonic() - began >= 1
            return
    pytest.fail("no request was refused")


def test_spent_budget(model):
    with pytest.raises(openai.APIStatusError, match="Portkey API Key Usage Limit Exceeded") as raised:
        limited_client("spent").chat.completions.create(model=model, messages=MESSAGES)
    assert (raised.value.status_code, raised.value.code) == (412, "04")
    assert requests_at_provider() == []
