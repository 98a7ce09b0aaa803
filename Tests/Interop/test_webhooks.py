"""The standardwebhooks library verifies what a customer's endpoint receives, and refuses it tampered; what is not taken comes again."""

import http.server
import json
import socket
import threading

from kernel import Kernel
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Endless:
    """An endpoint that takes a message, answers 200 with a long body, and never ends it."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.held = self.socket.getsockname()[1], []
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.socket.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegins")
            self.held.append(connection)


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Answers tests with the statuses that it is told, all else with 204, and keeps what it got."""

    got, statuses, heard = [], [], threading.Condition()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with self.heard:
            status = self.statuses.pop(0) if self.statuses and b"webhook.test" in body else 204
            self.got.append((status, dict(self.headers.items()), body))
            self.heard.notify_all()
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/elsewhere")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

    @classmethod
    def wait(cls, count, seconds=40):
        with cls.heard:
            assert cls.heard.wait_for(lambda: len(cls.got) >= count, seconds), f"{len(cls.got)} of {count} came"
            return list(cls.got)


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = f"http://127.0.0.1:{server.server_port}"
    with Kernel(config="webhooks:\n  allow_private_addresses: true\n  timeout_seconds: 2\n") as kernel:
        token = kernel.member()
        path = "/api/v1/webhooks"
        made = kernel.want(201, "POST", path, {"url": here + "/hook", "events": ["*"]}, token=token).json
        secret, id = made["secret"], made["webhook"]["id"]

        kernel.want(202, "POST", f"{path}/{id}/test", {}, token=token)
        status, headers, body = Endpoint.wait(1)[0]
        message = Webhook(secret).verify(body, headers)
        assert message["type"] == "webhook.test" and message["sequence"] == 1, message
        for other in (body + b" ", body.replace(b"test", b"text")):
            try:
                Webhook(secret).verify(other, headers)
                raise SystemExit("the library took a tampered body")
            except WebhookVerificationError:
                pass

        # Both secrets are good while one is rotated.
        fresh = kernel.want(200, "POST", f"{path}/{id}/rotate-secret", {}, token=token).json["secret"]
        kernel.paid_license(token)
        got = Endpoint.wait(2)
        for _, headers, body in got[1:]:
            for key in (secret, fresh):
                Webhook(key).verify(body, headers)

        # What is answered by a redirect or an error comes again, the same.
        before = len(Endpoint.wait(2))
        Endpoint.statuses += [302]
        sent = kernel.want(202, "POST", f"{path}/{id}/test", {}, token=token).json["message_id"]

        def mine():
            return [(status, body) for status, headers, body in Endpoint.got if headers.get("webhook-id") == sent]

        kernel.until("the message comes again", lambda: len(mine()) >= 2 or None)
        assert [status for status, _ in mine()][:2] == [302, 204] and len({body for _, body in mine()}) == 1, mine()
        assert len(Endpoint.got) > before

        def delivered():
            told = kernel.want(200, "GET", f"{path}/{id}/deliveries/{sent}", token=token).json
            return told if told["state"] == "delivered" else None

        told = kernel.until("the log says delivered", delivered)
        assert [entry["status"] for entry in told["log"]] == [204, 302], told
        assert json.loads(told["body"])["type"] == "webhook.test"

        # Who never ends the answer holds nothing up: what its head said counts, and the server can stop.
        endless = Endless()
        made = kernel.want(201, "POST", path, {"url": f"http://127.0.0.1:{endless.port}/", "events": ["license.revoked"]}, token=token).json
        id = made["webhook"]["id"]
        sent = kernel.want(202, "POST", f"{path}/{id}/test", {}, token=token).json["message_id"]
        told = kernel.until("the log says delivered, too", delivered)
        assert told["log"][0]["status"] == 200 and told["log"][0]["answer"].startswith("begins"), told
        kinds = {json.loads(body)["type"] for _, _, body in Endpoint.got}
        assert {"license.issued", "subscription.updated", "webhook.test"} <= kinds, kinds
        total = len(Endpoint.got)
        assert kernel.call("POST", path, {"url": "https://user@example.com/", "events": ["*"]}, token=token).status == 422
    with Kernel() as kernel:
        token = kernel.member()
        for url in ("http://example.com/", here, "https://127.0.0.1/", "https://169.254.169.254/latest/", "https://[::1]/"):
            refused = kernel.call("POST", "/api/v1/webhooks", {"url": url, "events": ["*"]}, token=token)
            assert refused.status == 422 and refused.json["error"] == "webhook_address_refused", (url, refused)
        # A public name that leads home: refused when it is looked up.
        made = kernel.want(201, "POST", "/api/v1/webhooks", {"url": "https://localtest.invalid/", "events": ["*"]}, token=token).json
        sent = kernel.want(202, "POST", f"/api/v1/webhooks/{made['webhook']['id']}/test", {}, token=token).json["message_id"]

        def tried():
            return kernel.want(
                200, "GET", f"/api/v1/webhooks/{made['webhook']['id']}/deliveries/{sent}", token=token).json["log"] or None

        assert "cannot be looked up" in kernel.until("a try", tried)[0]["failure"]
    print(f"webhooks: {total} messages received and verified, 0 failed")


if __name__ == "__main__":
    main()
