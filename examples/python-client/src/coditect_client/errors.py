"""What can go wrong: the codes are those of the Swift client (LicenseClientError)."""

from __future__ import annotations

from typing import Any, Optional

PASSING = {"unreachable", "server_error", "rate_limited", "no_seats_available", "device_busy"}
CHECK_ADDRESS = "check the server's address"
SILENCE = {"unreachable", "server_error", "bad_answer"}


class LicenseError(Exception):
    """A stable code, a sentence for a person, and what to do next."""

    def __init__(self, code: str, message: str, next: str, retry_after: Optional[float] = None):
        super().__init__(f"{message}; {next}")
        self.code, self.message, self.next, self.retry_after = code, message, next, retry_after

    @property
    def passing(self) -> bool:
        """The refusal may pass by itself."""
        return self.code in PASSING or (self.code == "policy_denied" and self.retry_after is not None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LicenseError) and (self.code, self.message) == (other.code, other.message)

    def __hash__(self) -> int:
        return hash((self.code, self.message))

    def __repr__(self) -> str:
        return f"LicenseError({self.code!r}, {self.message!r})"


def lease_refusal(status: int, body: Any, server: str) -> LicenseError:
    """What the server refused about a lease: one that it does not know is over."""
    if isinstance(body, dict) and body.get("error") == "not_found":
        return LicenseError("lease_ended", "the server does not know the lease", "run it again")
    return refusal(status, body, server)


def refusal(status: int, body: Any, server: str) -> LicenseError:
    """What the server refused."""
    body = body if isinstance(body, dict) else {}
    code = str(body.get("error", f"http_{status}"))
    said = str(body.get("message") or f"the server answered {status}").rstrip(".")
    said = said[:1].lower() + said[1:]
    wait = body.get("retry_after")
    retry = max(1.0, float(wait)) if isinstance(wait, (int, float)) else None
    again = f"try again in {retry:.0f} s" if retry else None
    request = f"request {body['request_id']}" if isinstance(body.get("request_id"), str) else None
    support = f"ask support, and name {request}" if request else "ask support"
    # A proxy's own page in place of an answer is a server in trouble; any other is no platform at all.
    if "error" not in body and status != 202 and status < 500 and status not in (401, 429):
        return LicenseError("bad_answer", f"{server} does not answer as a platform does ({status})", CHECK_ADDRESS)
    if status == 202 and isinstance(body.get("position"), int):
        place = "next" if body["position"] == 1 else f"number {body['position']}"
        return LicenseError("no_seats_available", f"no seat free: {place} in the queue", again or support, retry)
    if code == "no_seats_available":
        return LicenseError(code, f"no seat free: {body.get('seats_used', 0)} of {body.get('seats_total', 0)} in use", again or support, retry)
    if code == "policy_denied":
        return LicenseError(code, f"refused by policy: {body.get('reason') or 'no reason given'}", again or "ask your administrator", retry)
    if code == "lease_ended_by_operator":
        return LicenseError(code, f"an operator released the seat: {body.get('reason') or 'no reason given'}", "ask your administrator")
    if code == "borrow_too_long":
        return LicenseError(code, f"a seat is lent for at most {body.get('max_hours', 'fewer')} hours here", "ask for fewer hours")
    if code == "borrow_limit_reached":
        return LicenseError(
            code, f"{body.get('borrowed', 0)} of the {body.get('borrow_limit', 0)} seats that may leave the network are out",
            f"wait until one is back, or choose more seats: {server}/plans")
    if code == "borrow_returned_before":
        return LicenseError(
            code, "this device returned a borrowed seat early once, and the file of that one is still valid",
            f"this one comes home by itself at its end; early again after {body.get('until', 'it')}")
    if code == "activation_limit_reached":
        return LicenseError(
            code, f"the licence is active on {body.get('activations', '?')} of {body.get('max_activations', '?')} devices",
            f"run `coditect deactivate` on one of them, or choose a larger tier: {server}/plans")
    if code == "not_found":
        return LicenseError("bad_answer", f"{server} has nothing at the address that was asked", CHECK_ADDRESS)
    if code in ("lease_expired", "lease_released"):
        return LicenseError("lease_ended", said, "run it again")
    known = {
        "license_suspended": f"settle the payment: {server}/licence",
        "license_expired": f"renew it or choose a tier: {server}/plans",
        "license_revoked": "ask support",
        "no_license": f"choose a tier: {server}/plans",
        "license_key_malformed": "compare it with the key on your licence page",
        "license_key_unknown": f"check that the key belongs to {server}",
        "not_activated": "run `coditect activate KEY`",
        "superseded": "run it again: another user of this device took the seat over",
        "not_lease_holder": "run `coditect login` as whoever holds it",
    }
    if code in known:
        return LicenseError(code, said, known[code], retry)
    if status == 401:
        return LicenseError("not_signed_in", f"signed out: {said}", "run `coditect login`")
    if status == 429:
        return LicenseError("rate_limited", said, again or "try again in a minute", retry)
    if status >= 500:
        return LicenseError("server_error", said, again or "try again later" + (f"; if it stays so, tell support: {request}" if request else ""), retry)
    return LicenseError("refused", said, again or support, retry)
