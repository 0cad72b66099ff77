"""Tokens minted by PyJWT in place of gateway keys, shown by the packages `openai` and `portkey-ai`."""

import json
import os
import time
import urllib.request

import jwt
import openai
import pytest
from portkey_ai import Portkey, createHeaders
from portkey_ai._vendor import openai as portkey_openai

from support import *

ISSUER = os.environ["SDK_TEST_ISSUER"]
MESSAGES = [{"role": "user", "content": WORDS}]
AUTHENTICATION_ERRORS = (openai.AuthenticationError, portkey_openai.AuthenticationError)
PERMISSION_ERRORS = (openai.PermissionDeniedError, portkey_openai.PermissionDeniedError)

CLIENTS = {
    "openai": lambda token: openai.OpenAI(
        base_url=f"{GATEWAY}/v1", api_key=token, max_retries=0, timeout=20,
        default_headers=createHeaders(provider="@openai-prod"),
    ),
    "portkey": lambda token: Portkey(base_url=f"{GATEWAY}/v1", api_key=token, provider="@openai-prod"),
}
every_client = pytest.mark.parametrize("name", CLIENTS)
every_set = pytest.mark.parametrize("keys", ["file", "url"])


def ask_issuer(method, path):
    request = urllib.request.Request(ISSUER + path, method=method, data=b"" if method == "POST" else None)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def token(keys, **changes):
    key = ask_issuer("GET", f"/signing/{keys}")
    now = int(time.time())
    claims = {
        "iss": "https://idp.test/", "aud": ["gateway", "other"], "sub": "user-1", "iat": now, "exp": now + 300,
        "portkey_oid": f"org-{keys}", "scope": ["completions.write"],
    }
    claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(claims, jwt.PyJWK(key).key, algorithm=key["alg"], headers={"kid": key["kid"]})


def chat(name, model, text):
    return CLIENTS[name](text).chat.completions.create(model=model, messages=MESSAGES)


@every_client
@every_set
def test_a_token_is_as_good_as_a_key(name, keys, model):
    text = token(keys)
    for _ in range(2):
        completion = chat(name, model, text)
        assert (completion.model, completion.choices[0].message.content) == (model, WORDS)
    assert [request["stored"] for request in requests_at_provider()] == [True, True]


@every_client
@every_set
@pytest.mark.parametrize(
    "changes",
    [{"exp": 1_700_000_000}, {"exp": None}, {"iss": "https://other.test/"}, {"aud": "other"}, {"portkey_oid": "org-other"},
     {"nbf": 4_000_000_000}, {"portkey_oid": None}],
    ids=str,
)
def test_a_token_that_is_not_good(name, keys, changes, model):
    with pytest.raises(AUTHENTICATION_ERRORS, match=INVALID_KEY) as raised:
        chat(name, model, token(keys, **changes))
    assert raised.value.body == {"message": INVALID_KEY, "code": "03"}
    assert requests_at_provider() == []


@every_client
def test_a_token_of_another_organisations_key(name, model):
    with pytest.raises(AUTHENTICATION_ERRORS, match=INVALID_KEY):
        chat(name, model, token("file", portkey_oid="org-url"))
    assert requests_at_provider() == []


@every_client
@every_set
@pytest.mark.parametrize("scope", [[], "logs.read", None], ids=str)
def test_a_token_without_the_scope(name, keys, scope, model):
    with pytest.raises(PERMISSION_ERRORS, match="Error Code: 033"):
        chat(name, model, token(keys, scope=scope))
    assert requests_at_provider() == []


@every_client
def test_rotation_while_running(name, model):
    before = token("url")
    chat(name, model, before)
    # One extra fetch a second is what the settings allow.
    time.sleep(1.1)
    ask_issuer("POST", "/rotate")
    chat(name, model, token("url"))
    with pytest.raises(AUTHENTICATION_ERRORS, match=INVALID_KEY):
        chat(name, model, before)
