"""An OpenID provider on loopback whose keys, tokens and signatures are joserfc's: it keeps codes, checks what a client sends, and lies where it is told to.

  python3 openid_stand_in.py [PORT]      serves until it is ended
"""

import base64
import hashlib
import hmac
import json
import secrets
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

CLIENT, SECRET = "platform-1", "stand-in-client-secret"


class Provider:
    """One issuer. `cheat` names what the next tokens are made like."""

    def __init__(self, port=0):
        self.rsa, self.ec, self.strange = RSAKey.generate_key(2048), ECKey.generate_key("P-256"), RSAKey.generate_key(2048)
        self.codes, self.spent, self.seen = {}, set(), []
        self.cheat, self.person = None, {"sub": "1001", "email": "grace@example.com", "email_verified": True}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", headers=()):
                if not isinstance(body, bytes):
                    body = json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                provider.get(self, urllib.parse.urlsplit(self.path))

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                provider.token(self, dict(urllib.parse.parse_qsl(body.decode())))

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def kid(self, key):
        return key.thumbprint()

    def get(self, handler, url):
        if url.path == "/.well-known/openid-configuration":
            return handler.answer(200, {
                "issuer": self.issuer, "authorization_endpoint": self.issuer + "/authorize", "token_endpoint": self.issuer + "/token",
                "jwks_uri": self.issuer + "/keys", "id_token_signing_alg_values_supported": ["RS256", "ES256", "PS256"],
                "authorization_response_iss_parameter_supported": True})
        if url.path == "/keys":
            keys = [dict(key.as_dict(private=False), kid=self.kid(key), use="sig") for key in (self.rsa, self.ec)]
            return handler.answer(200, {"keys": keys})
        if url.path == "/authorize":
            asked = dict(urllib.parse.parse_qsl(url.query))
            self.seen.append(asked)
            if asked.get("client_id") != CLIENT or asked.get("code_challenge_method") != "S256" or asked.get("response_type") != "code":
                return handler.answer(400, {"error": "invalid_request"})
            code = secrets.token_urlsafe(24)
            self.codes[code] = dict(asked, person=dict(self.person))
            back = {"code": code, "state": asked["state"], "iss": self.issuer}
            return handler.answer(302, b"", [("Location", asked["redirect_uri"] + "?" + urllib.parse.urlencode(back))])
        handler.answer(404)

    def token(self, handler, form):
        basic = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if handler.headers.get("Authorization") != basic:
            return handler.answer(401, {"error": "invalid_client"})
        asked = self.codes.pop(form.get("code"), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
        if not asked or asked["redirect_uri"] != form.get("redirect_uri") or asked["code_challenge"] != challenge:
            return handler.answer(400, {"error": "invalid_grant"})
        handler.answer(200, {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": self.id_token(asked)})

    def id_token(self, asked):
        now = int(time.time())
        claims = dict(asked["person"], iss=self.issuer, aud=CLIENT, nonce=asked["nonce"], iat=now, exp=now + 300, given_name="Grace", family_name="Hopper")
        header, key = {"alg": "RS256", "kid": self.kid(self.rsa), "typ": "JWT"}, self.rsa
        cheat = self.cheat
        if cheat in CLAIMS:
            CLAIMS[cheat](claims, now)
        if cheat == "ES256":
            header, key = {"alg": "ES256", "kid": self.kid(self.ec)}, self.ec
        elif cheat == "PS256":
            header["alg"] = "PS256"
        elif cheat == "none":
            return ".".join([part({"alg": "none"}), part(claims), ""])
        elif cheat == "HS256 with the public key":
            # What joserfc itself refuses to do: the public key as the shared secret.
            message = f"{part(dict(header, alg='HS256'))}.{part(claims)}"
            code = hmac.new(self.rsa.as_pem(private=False), message.encode(), hashlib.sha256).digest()
            return message + "." + base64.urlsafe_b64encode(code).rstrip(b"=").decode()
        elif cheat == "embedded key":
            header, key = {"alg": "RS256", "typ": "JWT", "jwk": self.strange.as_dict(private=False)}, self.strange
        elif cheat == "jku":
            header, key = dict(header, jku=self.issuer + "/evil-keys"), self.strange
        elif cheat == "key id with a path":
            header, key = dict(header, kid="../../../../dev/null"), self.strange
        elif cheat == "another's key":
            key = self.strange
        elif cheat == "wrong typ":
            header["typ"] = "at+jwt"
        if cheat == "duplicate claims":
            body = json.dumps(claims)[:-1] + ', "sub": "1002"}'
            return jws.serialize_compact(header, body.encode(), key, algorithms=ALGORITHMS)
        return jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=ALGORITHMS, registry=LAX)


ALGORITHMS = ["RS256", "ES256", "PS256"]
LAX = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
CLAIMS = {
    "future nbf": lambda claims, now: claims.update(nbf=now + 3_600),
    "wrong audience": lambda claims, now: claims.update(aud="somebody-else"),
    "wrong issuer": lambda claims, now: claims.update(iss="https://login.other.example"),
    "wrong azp": lambda claims, now: claims.update(azp="somebody-else"),
    "expired": lambda claims, now: claims.update(exp=now - 3_600),
    "another nonce": lambda claims, now: claims.update(nonce="x" * 43),
}


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


if __name__ == "__main__":
    served = Provider(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(served.issuer, flush=True)
    threading.Event().wait()
