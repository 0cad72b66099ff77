"""What the Python and the curl tests share: addresses, keys, and the provider's second port."""

import hashlib
import json
import os
import urllib.request

GATEWAY = os.environ["SDK_TEST_GATEWAY"]
OPEN_GATEWAY = os.environ["SDK_TEST_OPEN_GATEWAY"]
CONTROL = os.environ["SDK_TEST_CONTROL"]
GATEWAY_KEY = os.environ["SDK_TEST_GATEWAY_KEY"]
DEFAULT_KEY = os.environ["SDK_TEST_DEFAULT_KEY"]
LIMITED_KEY = os.environ["SDK_TEST_LIMITED_KEY"]
OPENAI_KEY = os.environ["SDK_TEST_OPENAI_KEY"]
ANTHROPIC_KEY = os.environ["SDK_TEST_ANTHROPIC_KEY"]
GOOGLE_KEY = os.environ["SDK_TEST_GOOGLE_KEY"]

CONFIG = {"provider": "openai", "api_key": OPENAI_KEY}
WORDS = "naïve ☃ \"quoted\""
# Every byte value, line ends of both kinds, and what looks like a form's boundary.
FILE = bytes(range(256)) * 1024 + b"\r\n--boundary--\r\n\n\r\0"
FILE_ID = "file-" + hashlib.sha256(FILE).hexdigest()
VECTOR = [0.25, -0.5, 1.0]

RATE_LIMITED_MODEL = "model-rate-limited"
RETRY_AFTER = "17"
FAILING_MODEL = "model-failing"
FAULTS = ["status", "reset", "stall"]
INVALID_KEY = "Portkey Error: Invalid API Key. Error Code: 03"
NO_PROVIDER = "Either x-portkey-config or x-portkey-provider header is required"

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _control(method, path):
    request = urllib.request.Request(CONTROL + path, method=method, data=b"" if method == "POST" else None)
    with _direct.open(request, timeout=10) as response:
        return json.load(response)


def forget_requests():
    _control("POST", "/reset")


def requests_at_provider():
    return _control("GET", "/requests")


def only_request_at_provider():
    [request] = requests_at_provider()
    return request


def stream_is_finished(model):
    return _control("GET", f"/streams/{model}")["finished"]


def finish_stream(model):
    _control("POST", f"/streams/{model}")
