"""What the provider answers on its other routes: media, objects, Anthropic's and Google's own language, WebSockets.

Operations that have to say something of their own are in ROUTES. Every other path below /v1 is a collection or an object of
one, and is told as such: what the tests look at is what arrived.
"""

import base64
import hashlib
import json
import re
import struct
import urllib.parse

AUDIO = bytes(range(256)) * 64
# What some clients want to be told.
KINDS = {"uploads": "upload", "complete": "upload", "parts": "upload.part", "evals": "eval"}
UNIFIED = re.compile(
    r"POST /v1/(chat/completions|completions|embeddings|rerank|messages|messages/count_tokens|images/generations"
    r"|images/edits|audio/speech|audio/transcriptions|audio/translations|responses|files|batches|batches/[^/]+/cancel)"
    r"|GET /v1/(responses/[^/]+(/input_items)?|files(/[^/]+(/content)?)?|batches(/[^/]+(/output)?)?|realtime)"
    r"|DELETE /v1/(responses|files)/[^/]+"
    r"|[A-Z]+ /v1/fine_tuning/jobs(/[^/]+(/cancel)?)?"
    r"|POST /anthropic/v1/messages(/count_tokens)?"
    # Of providers that fail, chats only.
    r"|POST /(status|reset|stall)/v1/chat/completions"
)


def is_unified(method, target):
    return bool(UNIFIED.fullmatch(f"{method} {target.split('?')[0]}"))


def find(handler):
    """What answers this request, or None."""
    path = handler.path.split("?")[0]
    for method, pattern, answer in ROUTES:
        if method == handler.command and (found := re.fullmatch(pattern, path)):
            return lambda body: answer(handler, body, *found.groups())
    if path.startswith("/v1/"):
        return lambda body: some_object(handler, body)
    return None


def some_object(handler, body):
    kind = handler.headers.get("Content-Type", "")
    asked = handler.json_object(body) if body and "json" in kind else {}
    last = handler.path.split("?")[0].rstrip("/").split("/")[-1]
    is_collection = last.endswith("s") or last == "search"
    if is_collection and handler.command == "GET" or last == "search":
        return handler.answer(200, {
            "object": "list", "data": [{"id": f"{last}-1", "object": KINDS.get(last, last)}], "has_more": False,
            "first_id": f"{last}-1", "last_id": f"{last}-1",
        })
    identity = f"{last}-1" if is_collection else last
    answer = {"id": identity, "object": KINDS.get(last, last), "metadata": asked.get("metadata") or {}, "status": "completed"}
    if handler.command == "DELETE":
        answer["deleted"] = True
    handler.answer(200, answer)


def images(handler, body):
    asked = handler.json_object(body)
    image = base64.b64encode(asked["prompt"].encode()).decode()
    handler.answer(200, {"created": 1, "data": [{"b64_json": image}]})


def image_edits(handler, body):
    fields = handler.form(body)
    image = base64.b64encode(fields.get("image") or fields["image[]"]).decode()
    handler.answer(200, {"created": 1, "data": [{"b64_json": image}]})


def speech(handler, body):
    """Half of the audio, and the other half when the test says so."""
    stream = handler.held(handler.json_object(body)["model"])
    handler.begin_chunks("audio/mpeg")
    handler.write_chunk(AUDIO[: len(AUDIO) // 2])
    if stream():
        handler.write_chunk(AUDIO[len(AUDIO) // 2 :])
        handler.end_chunks()


def transcription(handler, body, _):
    fields = handler.form(body)
    handler.answer(200, {"text": f"{fields['model'].decode()}: {hashlib.sha256(fields['file']).hexdigest()}"})


def file_content(handler, _body, _id):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("Content-Length", str(len(AUDIO)))
    handler.end_headers()
    handler.wfile.write(AUDIO)


def response(model, text, status="completed"):
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": model, "status": status, "parallel_tool_calls": True,
        "tool_choice": "auto", "tools": [], "error": None, "incomplete_details": None, "instructions": None, "metadata": {},
        "output": [{"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content}],
        "usage": {
            "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 2,
        },
    }


def responses(handler, body):
    asked = handler.json_object(body)
    model, text = asked["model"], asked["input"]
    if not asked.get("stream"):
        return handler.answer(200, response(model, text))
    stream = handler.held(model)
    handler.begin_chunks("text/event-stream")
    delta = {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
    event(handler, {"type": "response.created", "sequence_number": 0, "response": response(model, "", "in_progress")})
    event(handler, delta | {"sequence_number": 1, "delta": "first"})
    if stream():
        event(handler, delta | {"sequence_number": 2, "delta": " last"})
        event(handler, {"type": "response.completed", "sequence_number": 3, "response": response(model, "first last")})
        handler.end_chunks()


def one_response(handler, _body, identity):
    handler.answer(200, response("model-1", WORDS_OF_RESPONSE) | {"id": identity})


def input_items(handler, _body, identity):
    item = {"id": f"item-of-{identity}", "type": "message", "role": "user", "content": [], "status": "completed"}
    handler.answer(200, {"object": "list", "data": [item], "has_more": False, "first_id": "i", "last_id": "i"})


WORDS_OF_RESPONSE = "what was said before"


def event(handler, data):
    handler.write_chunk(f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode())


def messages(handler, body):
    asked = handler.json_object(body)
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": asked["model"],
        "content": [{"type": "text", "text": asked["messages"][-1]["content"]}],
        "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    if not asked.get("stream"):
        return handler.answer(200, answer)
    stream = handler.held(asked["model"])
    handler.begin_chunks("text/event-stream")
    event(handler, {"type": "message_start", "message": answer | {"content": [], "stop_reason": None}})
    event(handler, {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    delta = lambda text: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    event(handler, delta("first"))
    if stream():
        event(handler, delta(" last"))
        event(handler, {"type": "content_block_stop", "index": 0})
        usage = {"output_tokens": 2}
        event(handler, {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": usage})
        event(handler, {"type": "message_stop"})
        handler.end_chunks()


def count_tokens(handler, body):
    handler.answer(200, {"input_tokens": len(handler.json_object(body)["messages"][-1]["content"])})


def candidate(text, **more):
    return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0} | more]}


def generate_content(handler, body, _model):
    text = handler.json_object(body)["contents"][-1]["parts"][0]["text"]
    handler.answer(200, candidate(text, finishReason="STOP"))


def stream_generate_content(handler, body, model):
    handler.json_object(body)
    stream = handler.held(model)
    handler.begin_chunks("text/event-stream")
    handler.write_chunk(f"data: {json.dumps(candidate('first'))}\r\n\r\n".encode())
    if stream():
        handler.write_chunk(f"data: {json.dumps(candidate(' last', finishReason='STOP'))}\r\n\r\n".encode())
        handler.end_chunks()


def count_google_tokens(handler, body, _model):
    handler.answer(200, {"totalTokens": len(handler.json_object(body)["contents"][-1]["parts"][0]["text"])})


def realtime(handler, _body):
    """Says hello, answers session.update, and sends back every other frame as it came (RFC 6455)."""
    key = handler.headers.get("Sec-WebSocket-Key", "")
    if handler.headers.get("Upgrade", "").lower() != "websocket" or not key:
        return handler.answer(400, {"error": {"message": "no handshake", "type": "refused"}})
    protocols = [name.strip() for name in handler.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    digest = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
    handler.send_response(101)
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Sec-WebSocket-Accept", base64.b64encode(digest).decode())
    if "realtime" in protocols:
        handler.send_header("Sec-WebSocket-Protocol", "realtime")
    handler.end_headers()
    handler.close_connection = True
    query = urllib.parse.parse_qs(handler.path.partition("?")[2])
    session = {"id": "sess_1", "object": "realtime.session", "type": "realtime", "model": query.get("model", [""])[0]}
    told = lambda kind, more: write_frame(handler, 1, json.dumps({"type": kind, "event_id": "e", "session": session | more}).encode())
    told("session.created", {})
    while frame := read_frame(handler):
        opcode, content = frame
        if opcode == 9:
            write_frame(handler, 10, content)
        elif opcode == 8:
            return write_frame(handler, 8, content)
        elif opcode == 1 and b"session.update" in content:
            told("session.updated", json.loads(content)["session"])
        elif opcode in (1, 2):
            write_frame(handler, opcode, content)


def read_frame(handler):
    """One frame, whole; clients mask theirs."""
    head = handler.rfile.read(2)
    if len(head) < 2:
        return None
    length = head[1] & 0x7F
    if length == 126:
        [length] = struct.unpack(">H", handler.rfile.read(2))
    elif length == 127:
        [length] = struct.unpack(">Q", handler.rfile.read(8))
    mask = handler.rfile.read(4)
    masked = handler.rfile.read(length)
    repeated = (mask * (length // 4 + 1))[:length]
    content = (int.from_bytes(masked, "big") ^ int.from_bytes(repeated, "big")).to_bytes(length, "big")
    return head[0] & 0x0F, content


def write_frame(handler, opcode, content):
    length = len(content)
    if length < 126:
        head = struct.pack(">BB", 0x80 | opcode, length)
    elif length < 1 << 16:
        head = struct.pack(">BBH", 0x80 | opcode, 126, length)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 127, length)
    handler.wfile.write(head + content)


ROUTES = [
    ("POST", r"/v1/images/generations", images),
    ("POST", r"/v1/images/edits", image_edits),
    ("POST", r"/v1/audio/speech", speech),
    ("POST", r"/v1/audio/(transcriptions|translations)", transcription),
    ("GET", r"/v1/files/([^/]+)/content", file_content),
    ("POST", r"/v1/responses", responses),
    ("GET", r"/v1/responses/([^/]+)", one_response),
    ("POST", r"/v1/responses/([^/]+)/cancel", one_response),
    ("GET", r"/v1/responses/([^/]+)/input_items", input_items),
    ("GET", r"/v1/realtime", realtime),
    ("POST", r"/anthropic/v1/messages", messages),
    ("POST", r"/anthropic/v1/messages/count_tokens", count_tokens),
    ("POST", r"/google/v1beta/models/([^/:]+):generateContent", generate_content),
    ("POST", r"/google/v1beta/models/([^/:]+):streamGenerateContent", stream_generate_content),
    ("POST", r"/google/v1beta/models/([^/:]+):countTokens", count_google_tokens),
]
