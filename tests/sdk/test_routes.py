"""The Python packages `openai` and `portkey-ai` on the routes beside chats, embeddings and uploads."""

import base64
import hashlib
import io

import openai
import pytest
from portkey_ai import Portkey, createHeaders

from routes import AUDIO, WORDS_OF_RESPONSE
from support import *


def openai_client(gateway, bearer, /, **headers):
    return openai.OpenAI(
        base_url=f"{gateway}/v1", api_key=bearer, default_headers=createHeaders(**headers), max_retries=0, timeout=20
    )


CLIENTS = {
    "openai, provider header": lambda: openai_client(GATEWAY, OPENAI_KEY, api_key=GATEWAY_KEY, provider="openai"),
    "openai, slug": lambda: openai_client(GATEWAY, "none", api_key=GATEWAY_KEY, provider="@openai-prod"),
    "openai, open mode": lambda: openai_client(OPEN_GATEWAY, OPENAI_KEY, provider="openai"),
    "portkey, config": lambda: Portkey(base_url=f"{GATEWAY}/v1", api_key=GATEWAY_KEY, config=CONFIG),
    "portkey, slug": lambda: Portkey(base_url=f"{GATEWAY}/v1", api_key=GATEWAY_KEY, provider="@openai-prod"),
}
every_client = pytest.mark.parametrize("name", CLIENTS)


def png():
    return ("image.png", io.BytesIO(FILE), "image/png")


def is_stored(name):
    return name.endswith("slug")


@every_client
def test_images(name, model):
    client = CLIENTS[name]()
    image = client.images.generate(model=model, prompt=WORDS)
    assert base64.b64decode(image.data[0].b64_json).decode() == WORDS
    edited = client.images.edit(model=model, image=png(), prompt=WORDS)
    assert base64.b64decode(edited.data[0].b64_json) == FILE
    assert [request["path"] for request in requests_at_provider()] == ["/v1/images/generations", "/v1/images/edits"]


@every_client
def test_speech_streams_bytes(name, model):
    client = CLIENTS[name]()
    if name.startswith("portkey"):
        finish_stream(model)
        assert client.audio.speech.create(model=model, voice="alloy", input=WORDS).content == AUDIO
        return
    with client.audio.speech.with_streaming_response.create(model=model, voice="alloy", input=WORDS) as response:
        assert response.headers["content-type"] == "audio/mpeg"
        parts = response.iter_bytes(1024)
        heard = next(parts)
        assert not stream_is_finished(model)
        finish_stream(model)
        heard += b"".join(parts)
    assert heard == AUDIO


@every_client
def test_transcription_and_translation(name, model, tmp_path):
    client = CLIENTS[name]()
    recording = tmp_path / "a.webm"
    recording.write_bytes(FILE)
    expected = f"{model}: {hashlib.sha256(FILE).hexdigest()}"
    for resource in (client.audio.transcriptions, client.audio.translations):
        with recording.open("rb") as file:
            assert resource.create(model=model, file=file).text == expected
    assert [request["stored"] for request in requests_at_provider()] == [is_stored(name)] * 2


@every_client
def test_content_of_a_file(name):
    assert CLIENTS[name]().files.content("file-1").read() == AUDIO


@every_client
def test_responses(name, model):
    client = CLIENTS[name]()
    made = client.responses.create(model=model, input=WORDS)
    assert made.output[0].content[0].text == WORDS
    assert client.responses.retrieve("resp_7").output[0].content[0].text == WORDS_OF_RESPONSE
    assert client.responses.cancel("resp_7").id == "resp_7"
    assert [item.id for item in client.responses.input_items.list("resp_7")] == ["item-of-resp_7"]
    client.responses.delete("resp_7")
    assert [f"{request['method']} {request['path']}" for request in requests_at_provider()] == [
        "POST /v1/responses", "GET /v1/responses/resp_7", "POST /v1/responses/resp_7/cancel",
        "GET /v1/responses/resp_7/input_items", "DELETE /v1/responses/resp_7",
    ]


@every_client
def test_stream_of_a_response(name, model):
    stream = iter(CLIENTS[name]().responses.create(model=model, input=WORDS, stream=True))
    assert next(stream).type == "response.created"
    assert next(stream).delta == "first"
    assert not stream_is_finished(model)
    finish_stream(model)
    assert next(stream).delta == " last"
    assert [event.type for event in stream] == ["response.completed"]


# What is called, and what has to arrive. All of these are told by their path alone.
OBJECTS = {
    "files.list": (lambda client: client.files.list(), "GET /v1/files"),
    "files.retrieve": (lambda client: client.files.retrieve("file-1"), "GET /v1/files/file-1"),
    "files.delete": (lambda client: client.files.delete("file-1"), "DELETE /v1/files/file-1"),
    "batches.create": (
        lambda client: client.batches.create(
            completion_window="24h", endpoint="/v1/chat/completions", input_file_id="file-1", metadata={"a": WORDS}
        ),
        "POST /v1/batches",
    ),
    "batches.retrieve": (lambda client: client.batches.retrieve("batch_1"), "GET /v1/batches/batch_1"),
    "batches.list": (lambda client: client.batches.list(limit=5), "GET /v1/batches?limit=5"),
    "batches.cancel": (lambda client: client.batches.cancel("batch_1"), "POST /v1/batches/batch_1/cancel"),
    "fine_tuning.jobs.create": (
        lambda client: client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file="file-1"),
        "POST /v1/fine_tuning/jobs",
    ),
    "fine_tuning.jobs.retrieve": (lambda client: client.fine_tuning.jobs.retrieve("ft-1"), "GET /v1/fine_tuning/jobs/ft-1"),
    "fine_tuning.jobs.list": (lambda client: client.fine_tuning.jobs.list(limit=2), "GET /v1/fine_tuning/jobs?limit=2"),
    "fine_tuning.jobs.cancel": (
        lambda client: client.fine_tuning.jobs.cancel("ft-1"), "POST /v1/fine_tuning/jobs/ft-1/cancel"
    ),
    "fine_tuning.jobs.list_events": (
        lambda client: client.fine_tuning.jobs.list_events("ft-1"), "GET /v1/fine_tuning/jobs/ft-1/events"
    ),
    "models.retrieve": (lambda client: client.models.retrieve("gpt-4o"), "GET /v1/models/gpt-4o"),
    "models.delete": (lambda client: client.models.delete("ft:gpt-4o:a"), "DELETE /v1/models/ft:gpt-4o:a"),
    "completions.create": (lambda client: client.completions.create(model="m", prompt=WORDS), "POST /v1/completions"),
    "moderations.create": (lambda client: client.moderations.create(input=WORDS), "POST /v1/moderations"),
    "assistants.create": (
        lambda client: client.beta.assistants.create(model="gpt-4o", metadata={"a": WORDS}), "POST /v1/assistants"
    ),
    "assistants.update": (
        lambda client: client.beta.assistants.update("asst_1", metadata={"a": WORDS}), "POST /v1/assistants/asst_1"
    ),
    "threads.create": (lambda client: client.beta.threads.create(metadata={"a": WORDS}), "POST /v1/threads"),
    "threads.messages.list": (
        lambda client: client.beta.threads.messages.list("thread_1"), "GET /v1/threads/thread_1/messages"
    ),
    "threads.runs.create": (
        lambda client: client.beta.threads.runs.create("thread_1", assistant_id="asst_1"),
        "POST /v1/threads/thread_1/runs",
    ),
    "vector_stores.create": (lambda client: client.vector_stores.create(metadata={"a": WORDS}), "POST /v1/vector_stores"),
    "vector_stores.delete": (lambda client: client.vector_stores.delete("vs_1"), "DELETE /v1/vector_stores/vs_1"),
    "vector_stores.search": (
        lambda client: client.vector_stores.search("vs_1", query=WORDS), "POST /v1/vector_stores/vs_1/search"
    ),
    "vector_stores.files.list": (
        lambda client: client.vector_stores.files.list("vs_1", limit=3), "GET /v1/vector_stores/vs_1/files?limit=3"
    ),
    "uploads.create": (
        lambda client: client.uploads.create(bytes=1, filename="a", mime_type="text/plain", purpose="batch"),
        "POST /v1/uploads",
    ),
    "uploads.parts.create": (
        lambda client: client.uploads.parts.create("upload_1", data=io.BytesIO(FILE)), "POST /v1/uploads/upload_1/parts"
    ),
    "uploads.complete": (
        lambda client: client.uploads.complete("upload_1", part_ids=["p"]), "POST /v1/uploads/upload_1/complete"
    ),
    "conversations.create": (lambda client: client.conversations.create(metadata={"a": WORDS}), "POST /v1/conversations"),
    "containers.list": (lambda client: client.containers.list(), "GET /v1/containers"),
    "evals.list": (lambda client: client.evals.list(), "GET /v1/evals"),
}


@pytest.mark.parametrize("name, call", [
    (name, call)
    for name in ("openai, slug", "openai, open mode", "portkey, config")
    for call in OBJECTS
    # Which `portkey-ai` has none of.
    if (name, call) != ("portkey, config", "vector_stores.search")
])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_objects(name, call):
    asks, arrives = OBJECTS[call]
    answer = asks(CLIENTS[name]())
    assert answer is not None
    request = only_request_at_provider()
    # `portkey-ai` writes some queries of its own.
    assert f"{request['method']} {request['path']}".partition("?")[0] == arrives.partition("?")[0]
    if name.startswith("openai"):
        assert f"{request['method']} {request['path']}" == arrives
    assert request["stored"] == is_stored(name)


@pytest.mark.parametrize("name", ["openai, slug", "openai, open mode"])
@pytest.mark.parametrize("method", ["post", "get", "put", "patch", "delete"])
def test_any_route_and_method(name, method):
    client = CLIENTS[name]()
    body = {} if method in ("get", "delete") else {"body": {"metadata": {"words": WORDS}}}
    answer = getattr(client, method)("/some/thing-1", cast_to=object, options={"headers": {"x-own": "kept"}}, **body)
    assert answer["id"] == "thing-1"
    request = only_request_at_provider()
    assert (request["method"], request["path"]) == (method.upper(), "/v1/some/thing-1")
    # These routes pass what is no credential and none of the gateway's.
    assert ["x-own", "kept"] in request["headers"]


def test_models_of_the_entries():
    client = openai_client(GATEWAY, GATEWAY_KEY)
    models = {model.id: model for model in client.models.list()}
    assert {"@openai-prod", "@openai-listed/gpt-4o", "@openai-listed/gpt-realtime", "@google-prod"} <= set(models)
    assert models["@openai-listed/gpt-4o"].owned_by == "openai"
    assert client.models.retrieve("@openai-listed/gpt-4o").id == "@openai-listed/gpt-4o"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("@openai-listed/o3")
    listed = Portkey(base_url=f"{GATEWAY}/v1", api_key=GATEWAY_KEY).models.list()
    assert {model.id for model in listed.data} == set(models)
    assert requests_at_provider() == []


def test_prompts_are_not_served():
    with pytest.raises(openai.APIStatusError, match="not served") as raised:
        openai_client(GATEWAY, GATEWAY_KEY).post("/prompts/p-1/completions", cast_to=object, body={})
    assert raised.value.status_code == 501
    assert requests_at_provider() == []


def test_the_body_arrives_as_it_was_sent(model):
    sent = []
    client = openai_client(GATEWAY, "none", api_key=GATEWAY_KEY, provider="@openai-prod").with_options(
        http_client=openai.DefaultHttpxClient(event_hooks={"request": [lambda request: sent.append(request.read())]})
    )
    client.images.generate(model=model, prompt=WORDS)
    assert only_request_at_provider()["sha256"] == hashlib.sha256(sent[0]).hexdigest()
