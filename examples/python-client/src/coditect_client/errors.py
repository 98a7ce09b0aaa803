"""What can go wrong: the codes are those of the Swift client (LicenseClientError)."""

from __future__ import annotations

from typing import Any, Optional

PASSING = {"unreachable", "server_error", "rate_limited", "no_seats_available", "device_busy"}
SILENCE = {"unreachable", "server_error", "bad_answer"}


class LicenseError(Exception):
    """A stable code, a sentence for a person, and what to do next."""

    def __init__(self, code: str, message: str, next: Optional[str] = None, retry_after: Optional[float] = None):
        super().__init__(f"{message}; {next}" if next else message)
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


def refusal(status: int, body: Any, server: str) -> LicenseError:
    """What the server refused."""
    body = body if isinstance(body, dict) else {}
    code = str(body.get("error", f"http_{status}"))
    said = str(body.get("message") or f"the server answered {status}").rstrip(".")
    said = said[:1].lower() + said[1:]
    wait = body.get("retry_after")
    retry = max(1.0, float(wait)) if isinstance(wait, (int, float)) else None
    again = f"try again in {retry:.0f} s" if retry else None
    if status == 202 and isinstance(body.get("position"), int):
        place = "next" if body["position"] == 1 else f"number {body['position']}"
        return LicenseError("no_seats_available", f"no seat free: {place} in the queue", again, retry)
    if code == "no_seats_available":
        return LicenseError(code, f"no seat free: {body.get('seats_used', 0)} of {body.get('seats_total', 0)} in use", again, retry)
    if code == "policy_denied":
        return LicenseError(code, f"refused by policy: {body.get('reason') or 'no reason given'}", again, retry)
    if code == "lease_ended_by_operator":
        return LicenseError(code, f"an operator released the seat: {body.get('reason') or 'no reason given'}")
    if code in ("lease_expired", "lease_released", "not_found"):
        return LicenseError("lease_ended", said)
    known = {
        "license_suspended": f"settle the payment: {server}/licence",
        "license_expired": f"renew it or choose a tier: {server}/plans",
        "license_revoked": "ask support",
        "no_license": f"choose a tier: {server}/plans",
        "superseded": None,
        "not_lease_holder": None,
    }
    if code in known:
        return LicenseError(code, said, known[code], retry)
    if status == 401:
        return LicenseError("not_signed_in", f"signed out: {said}", "run `coditect login`")
    if status == 429:
        return LicenseError("rate_limited", said, again, retry)
    if status >= 500:
        return LicenseError("server_error", said, again, retry)
    return LicenseError("refused", said, again, retry)
