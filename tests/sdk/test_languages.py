"""Anthropic's and Google's own Python packages: `anthropic` on /v1/messages, `google-genai` by passthrough."""

import anthropic
import pytest
from google import genai
from google.genai import types
from portkey_ai import createHeaders

from support import *

MESSAGES = [{"role": "user", "content": WORDS}]


def anthropic_client(gateway, key, /, **headers):
    """It writes /v1/messages itself."""
    return anthropic.Anthropic(
        base_url=gateway, api_key=key, default_headers=createHeaders(**headers), max_retries=0, timeout=20
    )


ANTHROPIC_CLIENTS = {
    "provider header": lambda: anthropic_client(GATEWAY, ANTHROPIC_KEY, api_key=GATEWAY_KEY, provider="anthropic"),
    "slug": lambda: anthropic_client(GATEWAY, "dummy", api_key=GATEWAY_KEY, provider="@anthropic-prod"),
    "config": lambda: anthropic_client(
        GATEWAY, "dummy", api_key=GATEWAY_KEY, config={"provider": "anthropic", "api_key": ANTHROPIC_KEY}
    ),
    # It shows the gateway key as bearer token, where Anthropic takes other tokens.
    "gateway key as bearer, slug": lambda: anthropic.Anthropic(
        base_url=GATEWAY, api_key=None, auth_token=GATEWAY_KEY, max_retries=0, timeout=20,
        default_headers=createHeaders(provider="@anthropic-prod"),
    ),
    "open mode": lambda: anthropic_client(OPEN_GATEWAY, ANTHROPIC_KEY, provider="anthropic"),
}
every_client = pytest.mark.parametrize("name", ANTHROPIC_CLIENTS)


@every_client
def test_message(name, model):
    message = ANTHROPIC_CLIENTS[name]().messages.create(model=model, max_tokens=9, messages=MESSAGES)
    assert (message.model, message.content[0].text) == (model, WORDS)
    request = only_request_at_provider()
    assert (request["path"], request["stored"]) == ("/anthropic/v1/messages", "slug" in name)


@every_client
def test_stream_of_a_message(name, model):
    with ANTHROPIC_CLIENTS[name]().messages.stream(model=model, max_tokens=9, messages=MESSAGES) as stream:
        texts = iter(stream.text_stream)
        assert next(texts) == "first"
        assert not stream_is_finished(model)
        finish_stream(model)
        assert list(texts) == [" last"]
        assert stream.get_final_message().stop_reason == "end_turn"


@every_client
def test_tokens_of_a_message(name, model):
    counted = ANTHROPIC_CLIENTS[name]().messages.count_tokens(model=model, messages=MESSAGES)
    assert counted.input_tokens == len(WORDS)
    assert only_request_at_provider()["path"] == "/anthropic/v1/messages/count_tokens"


def test_slug_in_the_model(model):
    client = anthropic_client(GATEWAY, "dummy", api_key=GATEWAY_KEY)
    message = client.messages.create(model=f"@anthropic-prod/{model}", max_tokens=9, messages=MESSAGES)
    assert (message.model, message.content[0].text) == (model, WORDS)
    assert only_request_at_provider()["stored"]


def test_beta_is_asked_for(model):
    client = ANTHROPIC_CLIENTS["slug"]()
    client.messages.create(
        model=model, max_tokens=9, messages=MESSAGES, extra_headers={"anthropic-beta": "a-beta-2026-01-01"}
    )
    assert ["anthropic-beta", "a-beta-2026-01-01"] in only_request_at_provider()["headers"]


def test_wrong_gateway_key_of_anthropics_client(model):
    client = anthropic_client(GATEWAY, ANTHROPIC_KEY, api_key=GATEWAY_KEY[:-1] + "x", provider="anthropic")
    with pytest.raises(anthropic.AuthenticationError, match="Invalid API Key"):
        client.messages.create(model=model, max_tokens=9, messages=MESSAGES)
    assert requests_at_provider() == []


def google_client(gateway, key, /, **headers):
    options = types.HttpOptions(base_url=f"{gateway}/v1", api_version="v1beta", headers=createHeaders(**headers), timeout=20_000)
    return genai.Client(api_key=key, http_options=options)


GOOGLE_CLIENTS = {
    "provider header": lambda: google_client(GATEWAY, GOOGLE_KEY, api_key=GATEWAY_KEY, provider="google"),
    "slug": lambda: google_client(GATEWAY, "dummy", api_key=GATEWAY_KEY, provider="@google-prod"),
    "open mode": lambda: google_client(OPEN_GATEWAY, GOOGLE_KEY, provider="google"),
}
every_google_client = pytest.mark.parametrize("name", GOOGLE_CLIENTS)


@every_google_client
def test_content(name, model):
    client = GOOGLE_CLIENTS[name]()
    assert client.models.generate_content(model=model, contents=WORDS).text == WORDS
    request = only_request_at_provider()
    path = request["path"].partition("?")[0]
    assert (path, request["stored"]) == (f"/google/v1beta/models/{model}:generateContent", name == "slug")


@every_google_client
def test_stream_of_content(name, model):
    client = GOOGLE_CLIENTS[name]()
    chunks = iter(client.models.generate_content_stream(model=model, contents=WORDS))
    assert next(chunks).text == "first"
    assert not stream_is_finished(model)
    finish_stream(model)
    assert [chunk.text for chunk in chunks] == [" last"]
    assert "alt=sse" in only_request_at_provider()["path"]


@every_google_client
def test_tokens_of_content(name, model):
    assert GOOGLE_CLIENTS[name]().models.count_tokens(model=model, contents=WORDS).total_tokens == len(WORDS)
