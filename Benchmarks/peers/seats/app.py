"""The Python neighbour: FastAPI, uvicorn with uvloop and httptools, redis-py with hiredis, PyJWT, cryptography, orjson.

Environment: REDIS_PORT; KEYS, a folder of PEM files; FAST=1 keeps verified tokens and signs with Ed25519, else every token is verified and RSA-4096 signs.
"""

import os
import time
from contextlib import asynccontextmanager
from pathlib import Path

import jwt
import orjson
import redis.asyncio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import Response
from pydantic import BaseModel, Field

HERE = Path(__file__).resolve().parent
KEYS = Path(os.environ["KEYS"])
FAST = os.environ["FAST"] == "1"
TOKENS_KEPT = 10_000

token_key = serialization.load_pem_public_key((KEYS / "token.pub.pem").read_bytes())
answer_key = serialization.load_pem_private_key((KEYS / ("ed25519.pem" if FAST else "rsa.pem")).read_bytes(), password=None)
SHA256 = hashes.SHA256()
PSS = padding.PSS(mgf=padding.MGF1(SHA256), salt_length=padding.PSS.MAX_LENGTH)

pool = redis.asyncio.Redis(host="127.0.0.1", port=int(os.environ["REDIS_PORT"]), max_connections=256)
take = pool.register_script((HERE / "acquire.lua").read_text())
renew = pool.register_script((HERE / "heartbeat.lua").read_text())
kept: dict[str, tuple[str, float]] = {}


@asynccontextmanager
async def lifespan(_app):
    yield
    await pool.aclose()


app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)


def sign(message):
    return answer_key.sign(message).hex() if FAST else answer_key.sign(message, PSS, SHA256).hex()


async def tenant(authorization: str = Header(default="")):
    if authorization[:7] != "Bearer ":
        raise HTTPException(401, "no token")
    token = authorization[7:]
    if FAST and (known := kept.get(token)) and known[1] > time.time():
        return known[0]
    try:
        claims = jwt.decode(token, token_key, algorithms=["ES256"], options={"require": ["exp", "tenant_id"]})
    except jwt.PyJWTError:
        raise HTTPException(401, "bad token") from None
    found = claims["tenant_id"]
    if not isinstance(found, str) or not 0 < len(found) <= 64 or "}" in found:
        raise HTTPException(401, "bad tenant")
    if FAST:
        if len(kept) >= TOKENS_KEPT:
            kept.clear()
        kept[token] = (found, claims["exp"])
    return found


class Acquire(BaseModel):
    hardware_id: str = Field(min_length=1, max_length=128)
    hostname: str = Field(max_length=255)
    os: str = Field(max_length=64)
    version: str = Field(max_length=64)


class Session(BaseModel):
    session_id: str = Field(min_length=1, max_length=64)


def answer(value, status=200):
    return Response(orjson.dumps(value), status, media_type="application/json")


@app.post("/api/v1/licenses/acquire")
async def acquire(body: Acquire, owner: str = Depends(tenant)):
    tag = "{" + owner + "}:"
    keys = (tag + "seats", tag + "devices", tag + "holders", tag + "limits")
    code, session, used, total, ends = await take(keys=keys, args=(body.hardware_id, os.urandom(16).hex()))
    if code < 0:
        return answer({"error": "unknown_tenant"}, 403)
    if code == 0:
        return answer({"error": "no_seats_available", "seats_used": used, "seats_total": total}, 429)
    until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends // 1000))
    session = session.decode()
    message = f'{{"expires_at": "{until}", "license_id": "{owner}", "session_id": "{session}"}}'
    return answer({
        "license_id": owner, "session_id": session, "seats_used": used, "seats_total": total, "expires_at": until,
        "signature": sign(message.encode()), "heartbeat_interval": 300})


@app.post("/api/v1/licenses/heartbeat")
async def heartbeat(body: Session, owner: str = Depends(tenant)):
    tag = "{" + owner + "}:"
    code, seconds = await renew(keys=(tag + "seats", tag + "limits"), args=(body.session_id,))
    return answer({"status": "ok", "expires_in": seconds}) if code else answer({"status": "expired", "expires_in": 0}, 404)
