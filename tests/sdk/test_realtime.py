"""/v1/realtime with the Python packages `openai`, `portkey-ai` and `websockets`."""

import asyncio
import json

import openai
import pytest
import websockets
from portkey_ai import AsyncPortkey, createHeaders
from websockets.sync.client import connect

from support import *

ADDRESS = GATEWAY.replace("http", "ws") + "/v1/realtime"
OPEN_ADDRESS = OPEN_GATEWAY.replace("http", "ws") + "/v1/realtime"
KEY = {"x-portkey-api-key": GATEWAY_KEY}


def openai_client(gateway, bearer, /, **headers):
    return openai.OpenAI(
        base_url=f"{gateway}/v1", api_key=bearer, default_headers=createHeaders(**headers), max_retries=0, timeout=20
    )


OPENAI_CLIENTS = {
    "provider header": (lambda: openai_client(GATEWAY, OPENAI_KEY, api_key=GATEWAY_KEY, provider="openai"), ""),
    "slug": (lambda: openai_client(GATEWAY, "none", api_key=GATEWAY_KEY, provider="@openai-prod"), ""),
    # As Portkey's documentation has it.
    "slug in the model": (lambda: openai_client(GATEWAY, GATEWAY_KEY), "@openai-listed/"),
    "open mode": (lambda: openai_client(OPEN_GATEWAY, OPENAI_KEY, provider="openai"), ""),
}


@pytest.mark.parametrize("name", OPENAI_CLIENTS)
def test_session_of_openais_client(name):
    client, slug = OPENAI_CLIENTS[name]
    with client().realtime.connect(model=f"{slug}gpt-realtime") as connection:
        created = connection.recv()
        assert (created.type, created.session.model) == ("session.created", "gpt-realtime")
        connection.session.update(session={"type": "realtime", "instructions": WORDS})
        updated = connection.recv()
        assert (updated.type, updated.session.instructions) == ("session.updated", WORDS)
    request = only_request_at_provider()
    assert (request["path"], request["stored"]) == ("/v1/realtime?model=gpt-realtime", "slug" in name)


# One of its two resources leaves its own headers out of handshakes.
PORTKEY_RESOURCES = {
    "beta.realtime": lambda client: client.beta.realtime.connect(model="gpt-realtime"),
    "realtime": lambda client: client.realtime.connect(
        model="gpt-realtime", extra_headers=createHeaders(api_key=GATEWAY_KEY, provider="@openai-prod")
    ),
}


@pytest.mark.parametrize("name", PORTKEY_RESOURCES)
def test_session_of_portkeys_client(name):
    async def use():
        client = AsyncPortkey(
            base_url=f"{GATEWAY}/v1", websocket_base_url=f"{GATEWAY.replace('http', 'ws')}/v1", api_key=GATEWAY_KEY,
            provider="@openai-prod",
        )
        async with PORTKEY_RESOURCES[name](client) as connection:
            assert (await connection.recv()).type == "session.created"
            await connection.session.update(session={"instructions": WORDS})
            assert (await connection.recv()).session.instructions == WORDS

    asyncio.run(asyncio.wait_for(use(), timeout=20))
    assert only_request_at_provider()["stored"]


def test_frames_of_every_size_and_kind():
    with connect(f"{ADDRESS}?model=@openai-prod/m", additional_headers=KEY, max_size=None) as socket:
        assert json.loads(socket.recv())["session"]["model"] == "m"
        for message in ["", "a", WORDS, "x" * 125, "x" * 126, "x" * 65536, FILE, FILE * 8]:
            socket.send(message)
            assert socket.recv() == message
        socket.ping().wait(timeout=10)
        socket.close(code=4321, reason="done")
        assert (socket.close_code, socket.close_reason) == (4321, "done")


@pytest.mark.parametrize(
    "address, protocols, headers",
    [
        (f"{ADDRESS}?model=@openai-listed/gpt-realtime", ["realtime", f"openai-insecure-api-key.{GATEWAY_KEY}"], {}),
        (
            f"{ADDRESS}?model=gpt-realtime", ["realtime", f"openai-insecure-api-key.{OPENAI_KEY}", "openai-beta.realtime-v1"],
            KEY | {"x-portkey-provider": "openai"},
        ),
        (
            f"{OPEN_ADDRESS}?model=gpt-realtime", ["realtime", f"openai-insecure-api-key.{OPENAI_KEY}"],
            {"x-portkey-provider": "openai"},
        ),
    ],
    ids=["gateway key", "provider's key", "open mode"],
)
def test_key_among_the_subprotocols(address, protocols, headers):
    with connect(address, subprotocols=protocols, additional_headers=headers) as socket:
        assert socket.subprotocol == "realtime"
        assert json.loads(socket.recv())["session"]["model"] == "gpt-realtime"
    # That the right credential arrived as authorization, the provider has seen to.
    offered = dict(only_request_at_provider()["headers"])["sec-websocket-protocol"]
    assert "insecure" not in offered and offered.startswith("realtime")


@pytest.mark.parametrize(
    "query, headers, status",
    [
        ("model=gpt-realtime", {"x-portkey-provider": "@openai-prod"}, 401),
        ("model=gpt-realtime", KEY, 400),
        ("model=@openai-listed/o3", KEY, 412),
        ("model=@openai-other/o3", KEY, 400),
    ],
    ids=["no key", "no provider", "another model", "another's slug"],
)
def test_refusals(query, headers, status):
    with pytest.raises(websockets.InvalidStatus) as raised:
        connect(f"{ADDRESS}?{query}", additional_headers=headers)
    assert raised.value.response.status_code == status
    assert json.loads(raised.value.response.body)
    assert requests_at_provider() == []


def test_the_providers_refusal_is_passed_on():
    with pytest.raises(websockets.InvalidStatus) as raised:
        connect(f"{ADDRESS}?model=m", additional_headers=KEY | {"x-portkey-provider": "@openai-status"})
    assert raised.value.response.status_code == 500
    assert b"out of order" in raised.value.response.body


def test_many_sessions_at_a_time():
    async def one(number):
        async with websockets.connect(f"{ADDRESS}?model=@openai-prod/m{number}", additional_headers=KEY) as socket:
            assert json.loads(await socket.recv())["session"]["model"] == f"m{number}"
            for turn in range(5):
                await socket.send(f"{number}.{turn}")
                assert await socket.recv() == f"{number}.{turn}"

    async def all_of_them():
        await asyncio.gather(*map(one, range(40)))

    asyncio.run(asyncio.wait_for(all_of_them(), timeout=30))
    assert len(requests_at_provider()) == 40
