"""Debian's python3-cryptography, as clients in the field use it, verifies what acquire signs: RSA-4096 PSS, maximum salt."""

import json
import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from kernel import Kernel


def main():
    with Kernel() as kernel:
        token = kernel.member()
        license = kernel.paid_license(token, "team", quantity=2)
        path = f"{kernel.data}/keys/license-public.pem"
        kernel.until("the RSA key, made at the first start", lambda: os.path.exists(path))
        with open(path, "rb") as file:
            public = serialization.load_pem_public_key(file.read())
        assert public.key_size == 4096, public.key_size
        body = {"hardware_id": "hw-ünïcode-1", "hostname": "engine", "os": "linux", "version": "1.0", "license_id": license["id"]}
        lease = kernel.want(200, "POST", "/api/v1/licenses/acquire", body, token=token).json
        for name in ("license_id", "session_id", "seats_used", "seats_total", "expires_at", "signature", "heartbeat_interval"):
            assert name in lease, f"{name} is missing: {lease}"
        assert lease["expires_at"].endswith("Z") and lease["seats_total"] == 2 and lease["seats_used"] == 1, lease
        signed = {name: lease[name] for name in ("expires_at", "license_id", "session_id")}
        message = json.dumps(signed, sort_keys=True).encode()
        scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH)
        assert lease["signature"] == lease["signature"].lower()
        public.verify(bytes.fromhex(lease["signature"]), message, scheme, hashes.SHA256())
        checked = 1
        for name in signed:
            other = json.dumps({**signed, name: signed[name] + "0"}, sort_keys=True).encode()
            try:
                public.verify(bytes.fromhex(lease["signature"]), other, scheme, hashes.SHA256())
            except InvalidSignature:
                checked += 1
            else:
                raise AssertionError(f"a changed {name} was accepted")
        again = kernel.want(200, "POST", "/api/v1/licenses/acquire", body, token=token).json
        assert again["session_id"] == lease["session_id"] and again["seats_used"] == 1, again
        beat = kernel.want(200, "POST", "/api/v1/licenses/heartbeat", {"session_id": lease["session_id"]}, token=token).json
        assert beat["status"] == "ok" and 0 < beat["expires_in"] <= 360, beat
        freed = kernel.want(200, "POST", "/api/v1/licenses/release", {"session_id": lease["session_id"]}, token=token).json
        assert freed["status"] == "released", freed
        late = kernel.call("POST", "/api/v1/licenses/heartbeat", {"session_id": lease["session_id"]}, token=token)
        assert late.status in (404, 409, 410), late
        print(f"seat signature: {checked + 4} passed, 0 failed")


if __name__ == "__main__":
    main()
