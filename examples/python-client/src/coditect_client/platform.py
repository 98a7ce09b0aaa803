"""One server, spoken with in JSON, as somebody."""

from __future__ import annotations

import email.utils
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Protocol

from .errors import LicenseError, refusal
from .state import Folder


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    # The server's clock when it answered, to the second, since 1970.
    date: Optional[float] = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class Transport(Protocol):
    """How requests reach the server. Raises OSError when nobody answered, whether or not the server did what it was asked."""

    def __call__(self, method: str, url: str, headers: Dict[str, str], body: Optional[bytes], timeout: float) -> Answer: ...


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token sent to one host is not carried to another."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirects)


def system_transport(method: str, url: str, headers: Dict[str, str], body: Optional[bytes], timeout: float) -> Answer:
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        with _opener.open(request, timeout=timeout) as answer:
            return _read(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return _read(error.code, error.headers, error.read())
    except urllib.error.URLError as error:
        raise OSError(str(error.reason)) from None
    except (OSError, ValueError, EOFError) as error:
        raise OSError(str(error) or type(error).__name__) from None
    except Exception as error:  # http.client's own: an answer that was cut off
        raise OSError(f"the connection broke: {error}") from None


def _read(status: int, headers: Any, body: bytes) -> Answer:
    try:
        value = json.loads(body) if body else None
    except ValueError:
        value = None
    parsed = email.utils.parsedate_to_datetime(headers["Date"]) if headers.get("Date") else None
    return Answer(status, value, parsed.timestamp() if parsed else None)


class Platform:
    def __init__(self, address: str, transport: Transport = system_transport, agent: str = "coditect-python/1"):
        self.name = address.rstrip("/")
        parts = urllib.parse.urlsplit(self.name)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise LicenseError("bad_address", f"not a server's address: {address}", "give one such as https://example.com")
        if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise LicenseError("bad_address", f"{self.name} would send passwords and keys unprotected", "use https")
        self.transport, self.agent = transport, agent

    def get(self, path: str) -> Answer:
        return self._send("GET", path, None, {}, 10.0)

    def post(
        self, path: str, body: Dict[str, Any], token: Optional[str] = None, key: Optional[str] = None, timeout: float = 10.0
    ) -> Answer:
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if key:
            headers["Idempotency-Key"] = key
        # One request repeated is the same bytes: the server compares them under one Idempotency-Key.
        return self._send("POST", path, json.dumps(body, sort_keys=True).encode(), headers, timeout)

    def _send(self, method: str, path: str, body: Optional[bytes], headers: Dict[str, str], timeout: float) -> Answer:
        headers = {"Accept": "application/json", "User-Agent": self.agent, **headers}
        try:
            return self.transport(method, self.name + path, headers, body, timeout)
        except OSError as error:
            said, next = str(error), "check your network, and that the address is right"
            if "certificate" in said.lower():
                said, next = "its certificate is not trusted", "check the address; an authority of your own must be known to this machine"
            raise LicenseError("unreachable", f"{self.name} cannot be reached: {said}", next) from None


class Caller:
    """Calls as whoever ran `coditect login` on this device, or with a token that the application has."""

    def __init__(self, platform: Platform, folder: Folder, token: Optional[Callable[[], str]]):
        self.platform, self.folder, self.token = platform, folder, token

    def post(self, path: str, body: Dict[str, Any], key: Optional[str] = None, timeout: float = 10.0) -> Answer:
        if self.token:
            return self.platform.post(path, body, self.token(), key, timeout)
        account = self._account()
        if account["server"] != self.platform.name:
            raise LicenseError(
                "not_signed_in", f"signed in to {account['server']}, not to {self.platform.name}",
                f"run `coditect login --server {self.platform.name}`")
        if account["expires_at"] - time.time() < 60:
            account = self._refreshed(account["access_token"])
        answer = self.platform.post(path, body, account["access_token"], key, timeout)
        if answer.status != 401:
            return answer
        return self.platform.post(path, body, self._refreshed(account["access_token"])["access_token"], key, timeout)

    def _account(self) -> Dict[str, Any]:
        account = self.folder.read("account.json")
        if not account or not {"server", "access_token", "refresh_token", "expires_at"} <= account.keys():
            raise LicenseError("not_signed_in", "not signed in", "run `coditect login`")
        return account

    def _refreshed(self, stale: str) -> Dict[str, Any]:
        """Spends the refresh token: under a lock, because it can be spent once. Another process may have done so meanwhile."""
        with self.folder.locked("account"):
            account = self._account()
            if account["access_token"] != stale:
                return account
            body = {"refresh_token": account["refresh_token"]}
            try:
                answer = self.platform.post("/api/v1/auth/refresh", body)
            except LicenseError:
                # A lost answer: the server gives the same successor to whoever asks again within 30 s.
                answer = self.platform.post("/api/v1/auth/refresh", body)
            if not answer.ok:
                raise refusal(answer.status, answer.body, self.platform.name)
            fresh = {
                **account, "access_token": answer.body["access_token"], "expires_at": time.time() + answer.body.get("expires_in", 0),
                "refresh_token": answer.body.get("refresh_token", account["refresh_token"]),
            }
            self.folder.write("account.json", fresh)
            return fresh
