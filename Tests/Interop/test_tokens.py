"""PyJWT, knowing only the JWKS, accepts our access token and refuses every tampered one; our server does the same."""

import base64
import hashlib
import hmac
import json

import jwt
from kernel import Kernel


def main():
    with Kernel() as kernel:
        token = kernel.member()
        keys = jwt.PyJWKClient(kernel.base + "/.well-known/jwks.json")
        key = keys.get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key.key, algorithms=["ES256"], options={"require": ["sub", "iat", "exp", "jti"]})
        for name in ("sub", "email", "name", "tenant_id", "role", "permissions", "iat", "exp", "jti", "sid"):
            assert name in claims, f"claim {name} is missing: {claims}"
        assert claims["exp"] - claims["iat"] == 86_400, claims
        assert claims["email"] == "ada@example.com" and claims["role"] == "owner", claims
        checked = 1

        head, body, signature = token.split(".")
        decode = lambda part: json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))  # noqa: E731
        encode = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()  # noqa: E731
        header = decode(head)
        public = json.dumps(kernel.want(200, "GET", "/.well-known/jwks.json").json["keys"][0])
        forged = {
            "alg none": f"{encode({**header, 'alg': 'none'})}.{body}.",
            "alg none with the signature": f"{encode({**header, 'alg': 'none'})}.{body}.{signature}",
            "HS256 with the public key": hs256(f"{encode({**header, 'alg': 'HS256'})}.{body}", public),
            "embedded key": f"{encode({**header, 'jwk': json.loads(public)})}.{body}.{signature}",
            "jku": f"{encode({**header, 'jku': 'http://127.0.0.1/keys'})}.{body}.{signature}",
            "key id with a path": f"{encode({**header, 'kid': '../../etc/passwd'})}.{body}.{signature}",
            "other role": f"{head}.{encode({**claims, 'role': 'platform_admin'})}.{signature}",
            "signature cut": f"{head}.{body}.{signature[:-2]}",
            "signature empty": f"{head}.{body}.",
            "two parts": f"{head}.{body}",
            "own key": jwt.encode(claims, other_key(), algorithm="ES256", headers={"kid": header["kid"]}),
        }
        kernel.want(200, "GET", "/api/v1/users/me", token=token)
        for name, bad in forged.items():
            answer = kernel.call("GET", "/api/v1/users/me", token=bad)
            assert answer.status == 401 and answer.json["error"] == "unauthenticated", f"{name}: {answer}"
            checked += 1
        kernel.want(204, "POST", "/api/v1/auth/logout", {}, token=token)
        assert kernel.call("GET", "/api/v1/users/me", token=token).status == 401, "a signed-out token still works"
        print(f"tokens: {checked + 1} passed, 0 failed")


def hs256(message, secret):
    """What PyJWT refuses to do: the public key as the shared secret."""
    code = hmac.new(secret.encode(), message.encode(), hashlib.sha256).digest()
    return message + "." + base64.urlsafe_b64encode(code).rstrip(b"=").decode()


def other_key():
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


if __name__ == "__main__":
    main()
