"""An OpenID provider as far as a site sees one: it publishes what it is, asks who somebody is, and signs that for us.

It is strict about what the site sends (redirect address, secret, PKCE, each code once), and lies where a test says so.
"""

from __future__ import annotations

import base64
import hashlib
import html
import http.server
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT_ID = "client-of-the-fake"
SECRET = "secret-of-the-fake"
KEY_ID = "key-1"
LOGIN_PAGE = """<!doctype html><title>The provider</title><h1>Sign in at the provider</h1>
<form method="post"><input type="hidden" name="asked" value="{asked}">
<label>Who are you? <input name="email" type="email"></label>
<button>Sign in</button> <button name="cancel" value="1">Cancel</button></form>"""

Claims = dict[str, Any]


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


own_key = cache(new_key)
"""What every provider of a run signs with: making a key takes longer than signing in with it."""


class FakeOpenID(http.server.ThreadingHTTPServer):
    """``people`` is what it knows of each address, more than that they have it. What a test changes comes next.

    ``spoil`` gets the claims of an ID token before they are signed, ``sign`` makes the token, ``published`` and
    ``userinfo`` may be replaced in part, and while ``is_broken`` every answer is a 500.
    """

    daemon_threads = True

    def __init__(self, redirect_uri: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.redirect_uri = redirect_uri
        self.key = own_key()
        self.people: dict[str, Claims] = {}
        self.spoil: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str | None] = self.signed
        self.published: Claims = {}
        self.userinfo: Claims = {}
        self.is_broken = False
        self.asked: list[dict[str, str]] = []
        self._codes: dict[str, tuple[dict[str, str], str]] = {}
        self._tokens: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def document(self) -> Claims:
        said = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return {name: value for name, value in (said | self.published).items() if value is not None}

    def keys(self) -> Claims:
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}

    def authorize(self, asked: dict[str, str], email: str) -> str:
        """Where the browser goes once it is known who somebody is."""
        code = secrets.token_urlsafe(16)
        self._codes[code] = (asked, email)
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def exchange(self, said: dict[str, str]) -> Claims | None:
        """The tokens for a code, or None where anything does not fit."""
        asked, email = self._codes.pop(said.get("code", ""), ({}, ""))
        if not asked or said.get("redirect_uri") != asked["redirect_uri"]:
            return None
        if (said.get("client_id"), said.get("client_secret")) != (CLIENT_ID, SECRET):
            return None
        if challenge_for(said.get("code_verifier", "")) != asked["code_challenge"]:
            return None
        access = secrets.token_urlsafe(16)
        self._tokens[access] = email
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, **self.about(email)}
        if "nonce" in asked:
            claims["nonce"] = asked["nonce"]
        token = self.sign(self.spoil(claims))
        answer = {"access_token": access, "token_type": "Bearer", "expires_in": 300}
        return answer if token is None else {**answer, "id_token": token}

    def signed(self, claims: Claims) -> str:
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": KEY_ID})

    def about(self, email: str) -> Claims:
        subject = hashlib.sha256(email.encode()).hexdigest()[:20]
        return {"sub": subject, "email": email, "email_verified": True} | self.people.get(email, {})

    def told(self, access_token: str) -> Claims | None:
        email = self._tokens.get(access_token)
        return None if email is None else self.about(email) | self.userinfo


def challenge_for(verifier: str) -> str:
    """PKCE's S256 (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: FakeOpenID

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if self.server.is_broken:
            self._answer(500, b"out of order", "text/plain")
        elif address.path == "/.well-known/openid-configuration":
            self._tell(self.server.document())
        elif address.path == "/keys":
            self._tell(self.server.keys())
        elif address.path == "/userinfo":
            self._tell(self.server.told(self.headers.get("Authorization", "").removeprefix("Bearer ")), refusal=401)
        elif address.path == "/authorize":
            self._ask_who(dict(parse_qsl(address.query)))
        else:
            self._answer(404, b"", "text/plain")

    def do_POST(self) -> None:
        said = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if self.server.is_broken:
            self._answer(500, b"out of order", "text/plain")
        elif urlsplit(self.path).path == "/token":
            self._tell(self.server.exchange(said), refusal=400)
        else:
            asked: dict[str, str] = json.loads(said["asked"])
            if "cancel" in said:
                where = f"{asked['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': asked['state']})}"
            else:
                where = self.server.authorize(asked, said["email"])
            self.send_response(302)
            self.send_header("Location", where)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _ask_who(self, asked: dict[str, str]) -> None:
        self.server.asked.append(asked)
        wanted = {"client_id": CLIENT_ID, "response_type": "code", "redirect_uri": self.server.redirect_uri}
        is_right = (
            all(asked.get(name) == value for name, value in wanted.items()) and "openid" in asked["scope"].split()
        )
        if is_right and asked.get("code_challenge_method") == "S256" and asked.get("state"):
            page = LOGIN_PAGE.format(asked=html.escape(json.dumps(asked)))
            self._answer(200, page.encode(), "text/html; charset=utf-8")
        else:
            self._answer(400, b"That is not how this client asks.", "text/plain")

    def _tell(self, said: Claims | None, *, refusal: int = 400) -> None:
        body = json.dumps({"error": "invalid"} if said is None else said).encode()
        self._answer(refusal if said is None else 200, body, "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """What was asked is in ``server.asked``."""


@contextmanager
def serving(redirect_uri: str) -> Iterator[FakeOpenID]:
    server = FakeOpenID(redirect_uri)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
