"""AWS, as far as these tests need it: Bedrock, S3 and STS behind one port.

Every request's signature is computed anew by botocore, over what arrived, with the secret of the key it names; bodies of
Converse are checked against AWS's own definition of the service, which comes with botocore, too. Whatever doesn't fit is
refused as AWS refuses it, and kept as such for the tests to find. Frames of event streams are made here and read back by
botocore's decoder before one is sent.

A second port is the tests' own:

  GET  /requests             what has arrived so far, in order, with what its signature says
  POST /reset                forget it, and let STS answer again
  POST /sts/MODE             STS from now on: "ok", "slow" or "failing"
  GET  /streams/MODEL        {"finished": bool}: has the last event of MODEL's stream been sent?
  POST /streams/MODEL        let the stream of MODEL go on to its last event
"""

import base64
import datetime
import hashlib
import json
import os
import struct
import threading
import time
import urllib.parse
import zlib

import botocore.session
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.eventstream import EventStreamBuffer
from botocore.validate import ParamValidator

from provider import HOLD_SECONDS, Handler, Refused, State, listen, sha256

SECRETS = json.loads(os.environ["SDK_TEST_AWS_SECRETS"])
BEDROCK_KEYS = json.loads(os.environ["SDK_TEST_BEDROCK_KEYS"])
GATEWAY_KEY = os.environ["SDK_TEST_GATEWAY_KEY"]
ALGORITHM = "AWS4-HMAC-SHA256 "
SKEW_SECONDS = 60
SLOW_SECONDS = 8

# An exception's status, as AWS's API reference has it.
EXCEPTIONS = {
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ModelTimeoutException": 408,
    "ModelErrorException": 424,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
USAGE = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 30, "cacheReadInputTokens": 20, "cacheWriteInputTokens": 0}

_session = botocore.session.get_session()
RUNTIME = _session.get_service_model("bedrock-runtime")
AGENTS = _session.get_service_model("bedrock-agent-runtime")


class Aws(State):
    def __init__(self):
        super().__init__()
        self.sts = "ok"
        self.sessions = {}
        self.attempts = {}
        self.objects = {}

    def reset(self):
        with self.lock:
            self.requests.clear()
            self.attempts.clear()
            self.sts = "ok"

    def attempt(self, model):
        """How often this model was asked before."""
        with self.lock:
            self.attempts[model] = self.attempts.get(model, 0) + 1
            return self.attempts[model] - 1

    def session(self, role):
        """A session of STS's: another one for each call."""
        with self.lock:
            number = len(self.sessions)
            key = f"ASIASESSION{number:04}"
            self.sessions[key] = {"secret": f"session+Secret/{number:04}", "token": f"session+token/{number:04}==", **role}
            return key, self.sessions[key]


STATE = Aws()


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
        elif self.path.startswith("/sts/"):
            STATE.sts = self.path.removeprefix("/sts/")
        elif self.path.startswith("/streams/"):
            STATE.stream(self.path.removeprefix("/streams/"))["released"].set()
        else:
            return self.answer(404, {})
        self.answer(200, {})


class Failed(Exception):
    """An answer that AWS gives with this exception's name."""

    def __init__(self, name, message):
        super().__init__(message)
        self.name = name


class Provider(Handler):
    def do_GET(self):
        self.serve()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def serve(self):
        body = self.read_body()
        self.lines = [(name.lower(), value) for name, value in self.headers.items()]
        path, _, query = self.path.partition("?")
        text = body.decode("utf-8", "replace") if len(body) < 65536 else ""
        request = {
            "method": self.command, "path": path, "query": query, "headers": self.lines, "sha256": sha256(body),
            "length": len(body), "body": text, "accepted": True,
        }
        STATE.record(request)
        try:
            check_headers(self.lines)
            request["shown"] = verify(self.command, self.path, self.lines, body)
            self.route(path, query, body, request["shown"])
        except Refused as refusal:
            request["accepted"] = False
            request["refusal"] = str(refusal)
            self.fail("InvalidSignatureException", refusal.status, f"the provider refuses: {refusal}")
        except Failed as failed:
            self.fail(failed.name, EXCEPTIONS[failed.name], str(failed))

    def fail(self, name, status, message):
        self.answer(status, {"message": message}, [
            ("x-amzn-errortype", f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"),
            ("x-amzn-requestid", "6f1c0000-0000-0000-0000-000000000000"),
        ])

    def route(self, path, query, body, shown):
        parts = path.split("/")
        if self.command == "POST" and path == "/":
            return self.assume(body, shown)
        if len(parts) == 4 and parts[1] == "model" and self.command == "POST":
            model = urllib.parse.unquote(parts[2])
            if urllib.parse.quote(model, safe="-._~") != parts[2]:
                raise Refused(400, f"the model's id is not encoded once: {parts[2]}")
            routes = {
                "converse": self.converse, "converse-stream": self.converse_stream, "invoke": self.invoke,
                "invoke-with-response-stream": self.invoke_stream, "count-tokens": self.count_tokens,
            }
            if parts[3] in routes and shown.get("service", "bedrock") == "bedrock":
                return routes[parts[3]](model, body)
        if (self.command, path) == ("POST", "/rerank"):
            return self.rerank(body)
        if shown.get("service") == "s3":
            return self.s3(path, query, body)
        raise Refused(404, f"no such route: {self.command} {path} of {shown}")

    # --- Bedrock

    def converse(self, model, body):
        asked = read_converse("Converse", model, body)
        fail_as(model)
        self.answer(200, {
            "output": {"message": {"role": "assistant", "content": answer_to(asked)}},
            "stopReason": "tool_use" if asks_for_a_tool(asked) else "end_turn",
            "usage": USAGE, "metrics": {"latencyMs": 5},
        }, [("x-amzn-requestid", "6f1c0000-0000-0000-0000-000000000001")])

    def converse_stream(self, model, body):
        asked = read_converse("ConverseStream", model, body)
        fail_as(model)
        events = [("messageStart", {"role": "assistant"})]
        for index, block in enumerate(answer_to(asked)):
            if "toolUse" in block:
                tool = block["toolUse"]
                start = {"toolUse": {"toolUseId": tool["toolUseId"], "name": tool["name"]}}
                events.append(("contentBlockStart", {"contentBlockIndex": index, "start": start}))
                text, kind = json.dumps(tool["input"]), lambda part: {"toolUse": {"input": part}}
            else:
                text, kind = block["text"], lambda part: {"text": part}
            for part in (text[:5], text[5:]):
                events.append(("contentBlockDelta", {"contentBlockIndex": index, "delta": kind(part), "p": "abcdefgh"}))
            events.append(("contentBlockStop", {"contentBlockIndex": index}))
        events.append(("messageStop", {"stopReason": "tool_use" if asks_for_a_tool(asked) else "end_turn"}))
        frames = [frame("event", *event) for event in events]
        if model.startswith("broken-"):
            # An exception, after a part of the answer.
            self.send_frames(model, [*frames[:3], frame("exception", model.removeprefix("broken-"), {"message": "it broke"})])
        elif model.startswith("cut-"):
            self.send_frames(model, [*frames[:3], frames[3][:20]])
        else:
            self.send_frames(model, [*frames, frame("event", "metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}})])

    def invoke(self, model, body):
        fail_as(model)
        asked = json_object(body)
        if model.startswith("cohere.embed"):
            vectors = [[0.25, -0.5, 1.0] for _ in asked["texts"]]
            answer = {"id": "e", "response_type": "embeddings_floats", "embeddings": vectors, "texts": asked["texts"]}
            return self.answer(200, answer, [("x-amzn-bedrock-input-token-count", str(4 * len(vectors)))])
        if model.startswith("amazon.titan-embed"):
            return self.answer(200, {"embedding": [0.25, -0.5, 1.0], "inputTextTokenCount": 4})
        if "anthropic." in model or model.startswith("arn:"):
            check_anthropic(asked)
            words = last_words(asked)
            return self.answer(200, {
                "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude", "stop_sequence": None,
                "content": [{"type": "text", "text": words}], "stop_reason": "end_turn",
                "usage": {"input_tokens": 7, "output_tokens": 3},
            })
        self.answer(200, {"sha256": sha256(body), "members": sorted(asked)})

    def invoke_stream(self, model, body):
        fail_as(model)
        asked = json_object(body)
        check_anthropic(asked)
        words = last_words(asked)
        message = {
            "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude", "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 1},
        }
        events = [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words[:3]}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": words[3:]}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 3}},
            {"type": "message_stop"},
        ]
        frames = [frame("event", "chunk", {"bytes": encoded(event), "p": "abc"}) for event in events]
        if "broken" in model:
            frames[3:] = [frame("exception", "throttlingException", {"message": "it broke"})]
        self.send_frames(model, frames)

    def count_tokens(self, model, body):
        fail_as(model)
        check_shape("CountTokens", {"modelId": model, **json_object(body)})
        asked = json_object(base64.b64decode(json_object(body)["input"]["invokeModel"]["body"]))
        check_anthropic(asked)
        self.answer(200, {"inputTokens": len(last_words(asked))})

    def rerank(self, body):
        asked = json_object(body)
        check_shape("Rerank", asked, AGENTS)
        options = asked["rerankingConfiguration"]["bedrockRerankingConfiguration"]
        if not options["modelConfiguration"]["modelArn"].startswith("arn:aws:bedrock:eu-central-1::foundation-model/"):
            raise Refused(400, f"no model: {options}")
        results = [{"index": index, "relevanceScore": 1 / (1 + index)} for index in range(options["numberOfResults"])]
        self.answer(200, {"results": results})

    def send_frames(self, model, frames):
        check_frames(frames)
        stream = STATE.stream(model)
        self.send_response(200)
        self.send_header("Content-Type", "application/vnd.amazon.eventstream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        # The first ones come in one piece that ends within a frame.
        first = b"".join(frames[:2]) + frames[2][:7]
        self.write_chunk(first)
        if model.startswith("held-") and not stream["released"].wait(HOLD_SECONDS):
            self.close_connection = True
            return
        stream["finished"] = True
        self.write_chunk(frames[2][7:])
        for bytes_of_it in frames[3:]:
            self.write_chunk(bytes_of_it)
        self.wfile.write(b"0\r\n\r\n")

    def write_chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    # --- S3, with the bucket in the path

    def s3(self, path, query, body):
        name = urllib.parse.unquote(path)
        if self.command == "PUT":
            headers = {key: value for key, value in self.lines if key.startswith("x-amz-server-side")}
            STATE.objects[name] = {"body": body, "headers": headers}
            return self.answer_raw(200, b"", [("ETag", f'"{hashlib.md5(body).hexdigest()}"')])
        if name not in STATE.objects:
            xml = b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message></Error>"
            return self.answer_raw(404, xml, [("Content-Type", "application/xml")])
        body = STATE.objects[name]["body"]
        dated = [("Last-Modified", "Thu, 02 Jan 2025 03:04:05 GMT")]
        if query == "attributes=" or query == "attributes":
            if self.headers.get("x-amz-object-attributes") != "ObjectSize":
                raise Refused(400, "no x-amz-object-attributes")
            xml = f"<?xml version='1.0'?><GetObjectAttributesOutput><ObjectSize>{len(body)}</ObjectSize></GetObjectAttributesOutput>"
            return self.answer_raw(200, xml.encode(), [("Content-Type", "application/xml"), *dated])
        if self.command == "DELETE":
            del STATE.objects[name]
            return self.answer_raw(204, b"", [])
        self.answer_raw(200, body, [("Content-Type", "binary/octet-stream"), *dated])

    def answer_raw(self, status, body, headers):
        self.send_response(status)
        for name, text in headers:
            self.send_header(name, text)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    # --- STS

    def assume(self, body, shown):
        if shown.get("service") != "sts":
            raise Refused(403, f"STS was asked as {shown}")
        asked = dict(urllib.parse.parse_qsl(body.decode(), strict_parsing=True))
        if asked.get("Action") != "AssumeRole" or asked.get("Version") != "2011-06-15":
            raise Refused(400, f"STS was asked for {asked}")
        mode = STATE.sts
        if mode == "slow":
            time.sleep(SLOW_SECONDS)
        elif mode == "failing":
            xml = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:x is not allowed</Message></Error></ErrorResponse>"
            return self.answer_raw(403, xml, [("Content-Type", "text/xml")])
        else:
            # Long enough for everybody to come.
            time.sleep(0.3)
        tags = {
            asked[f"Tags.member.{number}.Key"]: asked[f"Tags.member.{number}.Value"]
            for number in range(1, 51) if f"Tags.member.{number}.Key" in asked
        }
        role = {"role": asked["RoleArn"], "external_id": asked.get("ExternalId"), "tags": tags}
        key, session = STATE.session(role)
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=int(asked["DurationSeconds"]))
        xml = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId><Arn>{asked["RoleArn"]}</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>{key}</AccessKeyId>
      <SecretAccessKey>{session["secret"]}</SecretAccessKey>
      <SessionToken>{session["token"]}</SessionToken>
      <Expiration>{until.strftime("%Y-%m-%dT%H:%M:%SZ")}</Expiration>
    </Credentials>
  </AssumeRoleResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</AssumeRoleResponse>"""
        self.answer_raw(200, xml.encode(), [("Content-Type", "text/xml")])


# --- Signatures


def verify(method, target, lines, body):
    """What the request shows, or a refusal where that doesn't hold."""
    headers = dict(lines)
    line = headers.get("authorization", "")
    if line.startswith("Bearer "):
        if line.removeprefix("Bearer ") not in BEDROCK_KEYS:
            raise Refused(403, "no key of Bedrock's")
        if any(name.startswith("x-amz-") for name in headers):
            raise Refused(400, "a bearer token, and headers of a signature beside it")
        return {"kind": "bearer", "key": line.removeprefix("Bearer ")}
    if not line.startswith(ALGORITHM):
        raise Refused(403, "no signature")
    parts = dict(part.strip().split("=", 1) for part in line.removeprefix(ALGORITHM).split(","))
    key, day, region, service, terminator = parts["Credential"].split("/")
    signed, date = parts["SignedHeaders"].split(";"), headers.get("x-amz-date", "")
    if terminator != "aws4_request" or not date.startswith(day):
        raise Refused(403, f"scope {parts['Credential']} at {date}")
    then = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    if abs((datetime.datetime.now(datetime.timezone.utc) - then).total_seconds()) > SKEW_SECONDS:
        raise Refused(403, f"Signature expired: {date}")
    if headers.get("x-amz-content-sha256") != sha256(body):
        raise Refused(400, "the body is not the one that was signed")
    for name in headers:
        if name not in signed and (name in ("host", "content-type") or name.startswith("x-amz-")):
            raise Refused(403, f"{name} is not signed")
    for name in signed:
        if name not in headers:
            raise Refused(403, f"{name} is signed, and not there")
    secret, token = secret_of(key)
    if headers.get("x-amz-security-token") != token:
        raise Refused(403, "another session token")
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(Credentials(key, secret, token), service, region)
    request = AWSRequest(method, f"http://{headers['host']}{target}", data=body)
    for name, value in lines:
        if name in signed:
            request.headers[name] = value
    request.context["timestamp"] = date
    request.context.setdefault("signing", {})
    canonical = auth.canonical_request(request)
    if auth.signature(auth.string_to_sign(request, canonical), request) != parts["Signature"]:
        raise Refused(403, f"botocore signs another text: {canonical!r}")
    shown = {"kind": "signature", "key": key, "region": region, "service": service, "date": date, "signed": signed}
    session = STATE.sessions.get(key)
    return {**shown, **({name: session[name] for name in ("role", "external_id", "tags")} if session else {})}


def secret_of(key):
    if key in STATE.sessions:
        return STATE.sessions[key]["secret"], STATE.sessions[key]["token"]
    if key in SECRETS:
        return SECRETS[key]["secret"], SECRETS[key].get("token")
    raise Refused(403, f"nobody has the key {key}")


def check_headers(lines):
    names = [name for name, _ in lines]
    for name, value in lines:
        if name.startswith("x-portkey-"):
            raise Refused(400, f"header {name} arrived")
        if GATEWAY_KEY in value:
            raise Refused(400, f"the gateway key arrived in {name}")
        if names.count(name) > 1:
            raise Refused(400, f"header {name} arrived more than once")
        if any(secret["secret"] in value for secret in SECRETS.values()):
            raise Refused(400, f"a secret arrived in {name}")


# --- Bodies


def json_object(body):
    try:
        asked = json.loads(body)
    except ValueError:
        raise Refused(400, "the body is not JSON") from None
    if not isinstance(asked, dict):
        raise Refused(400, "the body is no object")
    return asked


def check_shape(operation, asked, service=RUNTIME):
    report = ParamValidator().validate(asked, service.operation_model(operation).input_shape)
    if report.has_errors():
        raise Refused(400, report.generate_report())


def read_converse(operation, model, body):
    asked = json_object(body)
    check_shape(operation, {"modelId": model, **asked})
    roles = [turn["role"] for turn in asked["messages"]]
    if roles[::2] != ["user"] * len(roles[::2]) or roles[1::2] != ["assistant"] * len(roles[1::2]):
        raise Refused(400, f"roles must take turns: {roles}")
    for turn in asked["messages"]:
        if not turn["content"]:
            raise Refused(400, "a turn without content")
        for block in turn["content"]:
            if "image" in block:
                base64.b64decode(block["image"]["source"]["bytes"], validate=True)
                if block["image"]["format"] not in ("png", "jpeg", "gif", "webp"):
                    raise Refused(400, f"no format of images: {block['image']['format']}")
    return asked


def check_anthropic(asked):
    """Anthropic's body, as Bedrock takes it."""
    if asked.get("anthropic_version") != "bedrock-2023-05-31":
        raise Failed("ValidationException", f"anthropic_version: {asked.get('anthropic_version')}")
    for name in ("model", "stream"):
        if name in asked:
            raise Failed("ValidationException", f"{name}: Extra inputs are not permitted")
    if not isinstance(asked.get("max_tokens"), int):
        raise Failed("ValidationException", "max_tokens: Field required")


def last_words(asked):
    content = asked["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def asks_for_a_tool(asked):
    return "toolConfig" in asked and not any("toolResult" in block for block in asked["messages"][-1]["content"])


def answer_to(asked):
    """Two calls where there are tools; else what was said last: its words, its results, its images."""
    if asks_for_a_tool(asked):
        name = asked["toolConfig"]["tools"][0]["toolSpec"]["name"]
        calls = [{"toolUseId": f"tooluse_{city}", "name": name, "input": {"city": city}} for city in ("Köln", "Bonn")]
        return [{"text": "Let me see."}, *({"toolUse": call} for call in calls)]
    words = []
    for block in asked["messages"][-1]["content"]:
        if "text" in block:
            words.append(block["text"])
        elif "toolResult" in block:
            result = block["toolResult"]
            words.append(f"{result['toolUseId']}: {result['content'][0]['text']}")
        elif "image" in block:
            image = block["image"]
            words.append(f"{image['format']} {sha256(base64.b64decode(image['source']['bytes']))}")
    return [{"text": "; ".join(words)}]


def fail_as(model):
    """`ThrottlingException`, … fail always; `flaky-2-…` twice."""
    name = model.split("/")[-1].split(":")[0]
    if name in EXCEPTIONS:
        raise Failed(name, f"{name} it is")
    if model.startswith("flaky-") and STATE.attempt(model) < int(model.split("-")[1]):
        raise Failed("ServiceUnavailableException", "come again")


# --- Event streams


def frame(message, kind, payload):
    """One frame of application/vnd.amazon.eventstream."""
    headers = b""
    for name, value in ((f":{message}-type", kind), (":content-type", "application/json"), (":message-type", message)):
        headers += struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
    payload = json.dumps(payload).encode()
    start = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = start + struct.pack(">I", zlib.crc32(start)) + headers + payload
    return whole + struct.pack(">I", zlib.crc32(whole))


def check_frames(frames):
    """botocore reads them as they were meant, but for a last one that is cut off on purpose."""
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(frames))
    read = sum(1 for _ in buffer)
    assert read >= len(frames) - 1, f"botocore reads {read} of {len(frames)} frames"


def encoded(event):
    return base64.b64encode(json.dumps(event).encode()).decode()


if __name__ == "__main__":
    print(f"provider on {listen(Provider)}")
    print(f"control on {listen(Control)}", flush=True)
    threading.Event().wait()
