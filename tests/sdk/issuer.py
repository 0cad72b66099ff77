"""The issuer of the tokens in these tests.

  issuer.py FILE

It writes the key set of one organisation (RS256) to FILE and serves that of another (ES256), whose key can be replaced:

  GET  /keys           the public keys
  POST /rotate         sign with a new key, and show only that one
  GET  /signing/file   the private key of FILE's set, for the tests to mint with
  GET  /signing/url    the private key of the set at /keys
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "key_ops")


def rs256(kid):
    key = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), as_dict=True)
    return {**key, "kid": kid, "alg": "RS256"}


def es256(kid):
    key = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)
    return {**key, "kid": kid, "alg": "ES256"}


def public(key):
    return {name: value for name, value in key.items() if name not in PRIVATE}


class Issuer(BaseHTTPRequestHandler):
    file_key = rs256("file-1")
    url_key = es256("url-1")
    rotations = 1

    def log_message(self, *_):
        pass

    def do_GET(self):
        answers = {
            "/keys": {"keys": [public(Issuer.url_key)]},
            "/signing/file": Issuer.file_key,
            "/signing/url": Issuer.url_key,
        }
        self.answer(200 if self.path in answers else 404, answers.get(self.path, {}))

    def do_POST(self):
        if self.path != "/rotate":
            return self.answer(404, {})
        Issuer.rotations += 1
        Issuer.url_key = es256(f"url-{Issuer.rotations}")
        self.answer(200, {})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    with open(sys.argv[1], "w") as file:
        json.dump({"keys": [public(Issuer.file_key)]}, file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"issuer on http://127.0.0.1:{server.server_port}", flush=True)
    threading.Event().wait()
