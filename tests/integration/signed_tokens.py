"""An issuer of tokens on loopback that does whatever a test says: discovery, keys, lies.

Here: what no certified provider would do: other people's issuers, keys of all kinds, answers that
are slow, huge or no JSON. Not here: an honest provider (``openid_provider``).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
import warnings
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

AUDIENCE = "https://protem.test"


@dataclass(slots=True)
class Issuer:
    """One issuer.

    Attributes:
        answers: what a path answers instead of the honest thing: bytes, or a callable for them.
        asked: the paths that were asked for.
        id_token: what redeems any code.
        drips: seconds between the bytes of an answer.
    """

    url: str
    key: Any = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "first"}))
    published: list[Any] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    claims_issuer: str | None = None
    id_token: str = ""
    drips: float = 0.0
    _count: int = 0

    def answer(self, path: str) -> tuple[int, bytes]:
        """Return status and body."""
        self.asked.append(path)
        if path in self.answers:
            given = self.answers[path]
            status, body = given() if callable(given) else given
            return status, body
        if path == "/.well-known/openid-configuration":
            named = self.claims_issuer or self.url
            published = {"issuer": named, "jwks_uri": f"{self.url}/keys"}
            for place in ("authorization", "token"):
                published[f"{place}_endpoint"] = f"{self.url}/{place}"
            return 200, json.dumps(published).encode()
        if path == "/token":
            return 200, json.dumps({"id_token": self.id_token, "access_token": "at"}).encode()
        if path == "/keys":
            keys = self.published or [self.key]
            return 200, json.dumps(KeySet(keys).as_dict(private=False)).encode()
        return 404, b""

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return honest claims, with changes; None takes a claim out."""
        now = int(time.time())
        self._count += 1
        honest = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "repo:acme/shop:ref:refs/heads/main",
            "iat": now,
            "exp": now + 300,
            "jti": f"token-{self._count}",
            "repository": "acme/shop",
        }
        found = honest | changes
        return {name: value for name, value in found.items() if value is not None}

    def token(self, *, key: Any = None, algorithm: str = "RS256", **changes: Any) -> str:
        """Return a token signed by ``key``, ours if none is given."""
        key = key or self.key
        header = {"alg": algorithm, "kid": key.kid}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of EdDSA's old name
            return jwt.encode(header, self.claims(**changes), key, algorithms=[algorithm])


@contextmanager
def issuer() -> Iterator[Issuer]:
    """Start an issuer."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            pass

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.do_GET()

        def do_GET(self) -> None:
            status, body = found.answer(self.path)
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for byte in body if found.drips else ():
                    self.wfile.write(bytes([byte]))
                    time.sleep(found.drips)
                self.wfile.write(b"" if found.drips else body)
            except OSError:
                self.close_connection = True

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.block_on_close = False
    found = Issuer(url=f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def with_header(token: str, **changes: Any) -> str:
    """Return a token whose header says something else; the signature stays."""
    _, payload, signature = token.split(".")
    head = json.dumps({"alg": "RS256", "kid": "first"} | changes).encode()
    return b".".join([_encoded(head), payload.encode(), signature.encode()]).decode()


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token of algorithm none."""
    head = json.dumps({"alg": "none", "kid": "first"}).encode()
    return b".".join([_encoded(head), _encoded(json.dumps(claims).encode()), b""]).decode()


def signed_with_the_public_key(found: Issuer) -> str:
    """Return a token whose shared secret is the issuer's public key, which anybody knows."""
    head = _encoded(json.dumps({"alg": "HS256", "kid": "first"}).encode())
    text = head + b"." + _encoded(json.dumps(found.claims()).encode())
    mac = hmac.new(found.key.as_pem(private=False), text, hashlib.sha256).digest()
    return (text + b"." + _encoded(mac)).decode()


def keys_of_every_sort() -> dict[str, Any]:
    """Return one key for each algorithm that issuers use."""
    return {
        "RS256": RSAKey.generate_key(2048, {"kid": "rs"}),
        "PS256": RSAKey.generate_key(2048, {"kid": "ps"}),
        "ES256": ECKey.generate_key("P-256", {"kid": "es"}),
        "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed"}),
    }


def _encoded(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
