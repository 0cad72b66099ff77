"""The provider that stands behind the gateway in these tests.

It answers OpenAI's routes under /v1, Anthropic's under /anthropic/v1 and Google's under /google, and refuses with a clear error whatever a
gateway must never send: a wrong or missing credential, a gateway key, an `x-portkey-` header, a header outside the
list that unified routes pass on, an unknown path. Every request is kept for the tests to look at. Below /status, /reset
and /stall it fails: with status 500, by a reset of the connection, by saying nothing.

A second port is the tests' own:

  GET  /requests             what has arrived so far, in order
  POST /reset                forget it
  GET  /streams/MODEL        {"finished": bool}: has the last chunk of MODEL's stream been sent?
  POST /streams/MODEL        let the stream of MODEL go on to its last chunk
"""

import base64
import hashlib
import json
import os
import re
import socket
import struct
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import routes

GATEWAY_KEYS = tuple(os.environ[f"SDK_TEST_{name}_KEY"] for name in ("GATEWAY", "DEFAULT", "LIMITED"))
OPENAI_KEY = os.environ["SDK_TEST_OPENAI_KEY"]
STORED_KEY = os.environ["SDK_TEST_STORED_KEY"]
ANTHROPIC_KEY = os.environ["SDK_TEST_ANTHROPIC_KEY"]
GOOGLE_KEY = os.environ["SDK_TEST_GOOGLE_KEY"]
RATE_LIMITED_MODEL = "model-rate-limited"
RETRY_AFTER = "17"
FAILING_MODEL = "model-failing"
HOLD_SECONDS = 5
FAULTS = ("status", "reset", "stall")
CREDENTIAL_HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie")

PASSED_ON_BY_UNIFIED_ROUTES = re.compile(
    r"accept|accept-encoding|content-type|content-encoding|content-length|user-agent|idempotency-key"
    r"|openai-.*|anthropic-.*|traceparent|tracestate|cdn-loop"
    r"|host|connection|transfer-encoding|authorization|x-api-key|upgrade|sec-websocket-.*"
)


class Refused(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.requests = []
        self.streams = {}

    def record(self, request):
        with self.lock:
            self.requests.append(request)

    def recorded(self):
        with self.lock:
            return list(self.requests)

    def reset(self):
        with self.lock:
            self.requests.clear()

    def stream(self, model):
        with self.lock:
            return self.streams.setdefault(model, {"released": threading.Event(), "finished": False})


STATE = State()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, value, headers=()):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers:
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body


class Control(Handler):
    def do_GET(self):
        if self.path == "/requests":
            self.answer(200, STATE.recorded())
        elif self.path.startswith("/streams/"):
            self.answer(200, {"finished": STATE.stream(self.path.removeprefix("/streams/"))["finished"]})
        else:
            self.answer(404, {})

    def do_POST(self):
        self.read_body()
        if self.path == "/reset":
            STATE.reset()
        elif self.path.startswith("/streams/"):
            STATE.stream(self.path.removeprefix("/streams/"))["released"].set()
        else:
            return self.answer(404, {})
        self.answer(200, {})


class Provider(Handler):
    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def do_PUT(self):
        self.serve()

    def do_PATCH(self):
        self.serve()

    def do_DELETE(self):
        self.serve()

    def serve(self):
        body = self.read_body()
        headers = [[name.lower(), value] for name, value in self.headers.items()]
        request = {
            "method": self.command, "path": self.path, "headers": headers, "sha256": sha256(body), "accepted": True,
            "stored": STORED_KEY in f"{headers} {self.path}",
        }
        STATE.record(request)
        try:
            route = self.route()
            check_headers(self.command, self.path, headers)
            route(body)
        except Refused as refusal:
            request["accepted"] = False
            self.answer(refusal.status, {"error": {"message": f"the provider refuses: {refusal}", "type": "refused"}})

    def route(self):
        own = {
            "POST /v1/chat/completions": self.chat,
            "POST /v1/embeddings": self.embeddings,
            "POST /v1/files": self.upload,
            "GET /v1/models": self.models,
        }
        name = f"{self.command} {self.path}"
        fault = self.path.split("/")[1]
        if fault in FAULTS:
            return getattr(self, f"fail_by_{fault}")
        route = own.get(name) or routes.find(self)
        if route is None:
            raise Refused(400, f"no such route: {name}")
        return route

    def fail_by_status(self, _):
        self.answer(500, {"error": {"message": "out of order", "type": "server_error"}})

    def fail_by_reset(self, _):
        # Closed with this option and bytes unread or not, a connection is reset.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def fail_by_stall(self, _):
        # Ends with the connection, which the gateway gives up.
        self.connection.settimeout(HOLD_SECONDS)
        try:
            self.connection.recv(1)
        except OSError:
            pass
        self.close_connection = True

    def chat(self, body):
        asked = self.json_object(body)
        model, words = asked["model"], asked["messages"][-1]["content"]
        if model == RATE_LIMITED_MODEL:
            error = {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
            return self.answer(429, {"error": error}, [("Retry-After", RETRY_AFTER)])
        if model == FAILING_MODEL:
            return self.answer(500, {"error": {"message": "out of order", "type": "server_error"}})
        if asked.get("stream"):
            return self.stream_chat(model)
        self.answer(200, {
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": words}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        })

    def stream_chat(self, model):
        stream = STATE.stream(model)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.write_event(chat_chunk(model, {"role": "assistant", "content": "first"}, None))
        if not stream["released"].wait(HOLD_SECONDS):
            # Nobody read the first chunk: break the stream off, so that the test fails.
            self.close_connection = True
            return
        stream["finished"] = True
        self.write_event(chat_chunk(model, {"content": " last"}, None))
        self.write_event(chat_chunk(model, {}, "stop"))
        self.write_event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def write_event(self, data):
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))

    def embeddings(self, body):
        asked = self.json_object(body)
        vector = [0.25, -0.5, 1.0]
        if asked.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack("<3f", *vector)).decode()
        self.answer(200, {
            "object": "list", "model": asked["model"],
            "data": [{"object": "embedding", "index": 0, "embedding": vector}],
            "usage": {"prompt_tokens": 1, "total_tokens": 1},
        })

    def upload(self, body):
        fields = multipart_fields(self.headers.get("Content-Type", ""), body)
        if set(fields) != {"purpose", "file"}:
            raise Refused(400, f"the form's fields are {sorted(fields)}")
        content = fields["file"]
        self.answer(200, {
            "id": f"file-{sha256(content)}", "object": "file", "bytes": len(content), "created_at": 1,
            "filename": "upload.bin", "purpose": fields["purpose"].decode(), "status": "processed",
        })

    def models(self, _):
        model = {"id": "model-1", "object": "model", "created": 1, "owned_by": "provider"}
        self.answer(200, {"object": "list", "data": [model]})

    def held(self, model):
        """Waits for the test to let the stream of MODEL go on; if it doesn't, the stream breaks off."""
        stream = STATE.stream(model)

        def wait():
            stream["finished"] = stream["released"].wait(HOLD_SECONDS)
            self.close_connection = not stream["finished"]
            return stream["finished"]

        return wait

    def begin_chunks(self, content_type):
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def write_chunk(self, content):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))

    def end_chunks(self):
        self.wfile.write(b"0\r\n\r\n")

    def form(self, body):
        return multipart_fields(self.headers.get("Content-Type", ""), body)

    def json_object(self, body):
        if self.headers.get("Content-Type", "").split(";")[0] != "application/json":
            raise Refused(400, f"content type {self.headers.get('Content-Type')}")
        try:
            return json.loads(body)
        except ValueError:
            raise Refused(400, "the body is not JSON") from None


def check_headers(method, path, headers):
    names = [name for name, _ in headers]
    for name, value in headers:
        if name.startswith("x-portkey-"):
            raise Refused(400, f"header {name} arrived")
        if any(key in value for key in GATEWAY_KEYS):
            raise Refused(400, f"the gateway key arrived in {name}")
        if "eyJ" in value:
            raise Refused(400, f"a token arrived in {name}")
        if names.count(name) > 1:
            raise Refused(400, f"header {name} arrived more than once")
        if routes.is_unified(method, path) and not PASSED_ON_BY_UNIFIED_ROUTES.fullmatch(name):
            raise Refused(400, f"header {name} arrived on a unified route")
    credentials = {name: value for name, value in headers if name in CREDENTIAL_HEADERS}
    query = urllib.parse.parse_qs(path.partition("?")[2])
    if path.startswith("/google/"):
        if query.get("key") not in ([GOOGLE_KEY], [STORED_KEY]):
            raise Refused(401, "no key arrived in the query")
        expected = {}
    elif path.startswith("/anthropic/"):
        expected = {"x-api-key": STORED_KEY if credentials.get("x-api-key") == STORED_KEY else ANTHROPIC_KEY}
        if "anthropic-version" not in names:
            raise Refused(400, "no anthropic-version arrived")
    else:
        key = STORED_KEY if credentials.get("authorization") == f"Bearer {STORED_KEY}" else OPENAI_KEY
        expected = {"authorization": f"Bearer {key}"}
    if credentials != expected:
        raise Refused(401, f"credentials {credentials} arrived, not {expected}")


def chat_chunk(model, delta, finish_reason):
    return json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    })


def multipart_fields(content_type, body):
    boundary = re.fullmatch(r'multipart/form-data;\s*boundary="?([^";]+)"?', content_type)
    if not boundary:
        raise Refused(400, f"content type {content_type}")
    delimiter = b"\r\n--" + boundary[1].encode()
    parts = (b"\r\n" + body).split(delimiter)
    if parts[0] or parts[-1].strip() != b"--":
        raise Refused(400, "the form is cut off")
    fields = {}
    for part in parts[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        fields[re.search(rb'\bname="([^"]*)"', head)[1].decode()] = content
    return fields


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def listen(handler):
    server = Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


if __name__ == "__main__":
    print(f"provider on {listen(Provider)}")
    print(f"control on {listen(Control)}", flush=True)
    threading.Event().wait()
