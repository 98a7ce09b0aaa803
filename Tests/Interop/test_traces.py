"""Traces, read by OpenTelemetry's own definitions: a collector that parses what a running server sends, refuses, is away and comes back; a webhook's
receiver that is told the trace."""

import base64
import http.server
import json
import signal
import threading

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from kernel import Kernel

passed = 0


def check(claim, holds, more=""):
    global passed
    assert holds, f"{claim}: {more}"
    passed += 1


class Peer(http.server.ThreadingHTTPServer):
    """Takes POSTs; `status` is what it answers."""

    def __init__(self, port=0):
        self.status, self.seen = 200, []
        super().__init__(("127.0.0.1", port), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers.items()), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "2")
        self.send_header("Connection", "close")  # else one that was kept goes on after the listener's end
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


def spans(collector):
    found = []
    for path, headers, body in list(collector.seen):
        assert path == "/v1/traces" and headers["content-type"] == "application/json" and headers["api-key"] == "sesame", (path, headers)
        # Fields that the definition does not know are refused here.
        request = json_format.Parse(unhexed(body), ExportTraceServiceRequest())
        for resource in request.resource_spans:
            names = {x.key: x.value.string_value for x in resource.resource.attributes}
            assert names["service.name"] == "coditectd" and names["service.version"], names
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def unhexed(body):
    """OTLP's JSON writes ids in hex where protobuf's would be base64: the one difference between the two."""

    def walk(value):
        if isinstance(value, list):
            return [walk(x) for x in value]
        if isinstance(value, dict):
            return {k: base64.b64encode(bytes.fromhex(v)).decode() if k in ("traceId", "spanId", "parentSpanId") else walk(v) for k, v in value.items()}
        return value

    return json.dumps(walk(json.loads(body)))


def attribute(span, name):
    return next((x.value.string_value or x.value.int_value for x in span.attributes if x.key == name), None)


def main():
    collector, receiver = Peer(), Peer()
    config = f"traces:\n  endpoint: http://127.0.0.1:{collector.server_port}\nwebhooks:\n  allow_private_addresses: true\n"
    with Kernel(config=config, env={"OTEL_EXPORTER_OTLP_HEADERS": "api-key=sesame"}) as kernel:
        token = kernel.member()
        hook = {"url": f"http://127.0.0.1:{receiver.server_port}/hook", "events": ["*"]}
        kernel.want(201, "POST", "/api/v1/webhooks", hook, token=token)
        kernel.paid_license(token, "team", quantity=2)
        kernel.until("a webhook", lambda: receiver.seen)

        def whole():
            """The trace of the payment: from the provider's webhook to the customer's."""
            by_trace = {}
            for span in spans(collector):
                by_trace.setdefault(span.trace_id, []).append(span)
            for path, headers, _ in list(receiver.seen):
                sent = headers.get("traceparent", "").split("-")
                trace = by_trace.get(bytes.fromhex(sent[1]), []) if len(sent) == 4 else []
                if any(x.name.startswith("POST /webhooks") or "webhook" in x.name for x in trace) and any(x.kind == 2 for x in trace):
                    if any(f"{x.span_id.hex()}" == sent[2] for x in trace):
                        return trace
            return None

        trace = kernel.until("one trace from a request to a customer's receiver", whole)
        ids = {x.span_id for x in trace}
        roots = [x for x in trace if not x.parent_span_id]
        check("it has one root, the request", len(roots) == 1 and roots[0].kind == 2, roots)
        check("every other span hangs on one of it", all(x.parent_span_id in ids for x in trace if x is not roots[0]))
        kinds = {x.kind for x in trace}
        check("request, transactions, decisions, jobs and what goes out are there", kinds == {1, 2, 3, 5}, kinds)
        check("times are sane", all(0 < x.start_time_unix_nano <= x.end_time_unix_nano for x in trace))
        names = [x.name for x in trace]
        check("transactions are told by their engine", any(attribute(x, "db.system.name") == "sqlite" for x in trace), names)
        text = b"".join(body for _, _, body in collector.seen)
        for personal in (b"ada@", b"Lovelace", b"maple-otter", token.encode()):
            check("nothing personal and no secret was sent", personal not in text, personal)
        print(f"ok  one trace from {roots[0].name} over {len(trace)} spans to the customer's receiver, read by OpenTelemetry's definitions")

        port = collector.server_port
        collector.close()
        for _ in range(3):
            kernel.want(200, "GET", "/api/v1/licenses", token=token)
        again = Peer(port)
        kernel.until("what waited", lambda: [x for x in spans(again) if x.name == "GET /api/v1/licenses"])
        check("nothing was lost while the collector was away", "traces_spans_lost_total{" not in kernel.call("GET", "/metrics").body.decode())
        again.status = 400
        kernel.want(200, "GET", "/api/v1/licenses", token=token)
        kernel.until("a refusal", lambda: b'traces_spans_lost_total{reason="refused"}' in kernel.call("GET", "/metrics").body)
        again.status = 200
        kernel.want(200, "GET", "/api/v1/licenses", token=token)
        before = len(again.seen)
        kernel.process.send_signal(signal.SIGTERM)
        check("it ends", kernel.process.wait(30) == 0)
        check("what was left went out at the end", len(again.seen) > before)
        log = open(kernel.log, encoding="utf-8").read()
        check("the log says once that the collector refuses", log.count("the collector refuses") == 1, log[-2000:])
        check("and nothing of its key", "sesame" not in log)
        print("ok  a collector that is away, refuses, and gets the rest at the end")
        again.close()
    receiver.close()
    print(f"traces: {passed} checks passed")


if __name__ == "__main__":
    main()
