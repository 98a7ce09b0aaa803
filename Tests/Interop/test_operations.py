"""The files in examples/operations against the programs that read them: promtool and a real Prometheus that scrapes a running server, Kubernetes' schemas.

Every question of the rules and of the dashboard is asked of that Prometheus; every metric that they name is one that the server tells."""

import glob
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request

import kernel as house

OPERATIONS = os.path.join(house.ROOT, "examples", "operations")
# Told only where there is something to tell: a certificate of our own, a plugin in a child process.
CONDITIONAL = {"tls_certificate_not_after_timestamp_seconds", "coditect_plugin_process_up", "coditect_plugin_process_breaker_open",
               "coditect_plugin_process_deaths_total", "coditect_plugin_process_restarts_total"}


class Checks:
    def __init__(self):
        self.passed = 0

    def fine(self, what):
        self.passed += 1
        print(f"  {what}: fine", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """Debian's, over a copy of our files that differs only in how often it looks and where."""

    def __init__(self, targets):
        self.home, self.port = tempfile.mkdtemp(prefix="prometheus-"), free_port()
        for name in ("prometheus.yml", "rules.yml"):
            text = open(os.path.join(OPERATIONS, "prometheus", name), encoding="utf-8").read()
            if name == "prometheus.yml":
                before = text
                text = text.replace("15s", "1s").replace('"127.0.0.1:8080"', ", ".join(f'"{target}"' for target in targets))
                assert text != before
            with open(os.path.join(self.home, name), "w", encoding="utf-8") as file:
                file.write(text)
        self.log = open(os.path.join(self.home, "log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.home}/prometheus.yml", f"--storage.tsdb.path={self.home}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)

    def is_ready(self):
        """It answers 503 while it reads what it has stored."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=30) as answer:
                return answer.status == 200
        except OSError:
            return False

    def get(self, path, **query):
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.loads(answer.read())

    def ask(self, question):
        try:
            answer = self.get("/api/v1/query", query=question)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{question}\n{error.read().decode()}") from error
        assert answer["status"] == "success", (question, answer)
        return answer["data"]["result"]

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)


def questions():
    """Every expression of rules and dashboard, with the dashboard's variables filled in as Grafana would."""
    import yaml

    rules = yaml.safe_load(open(os.path.join(OPERATIONS, "prometheus", "rules.yml"), encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"], False
    board = json.load(open(os.path.join(OPERATIONS, "grafana", "coditect.json"), encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"]["uid"] == "${datasource}", panel["title"]
            yield panel["title"], target["expr"].replace("$instance", ".*"), True


def names(text):
    """The metrics that an expression names."""
    text = re.sub(r'"[^"]*"', '""', text)
    text = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", "", text)
    text = re.sub(r"\{[^}]*\}", "", text)
    return {name for name in re.findall(r"[a-zA-Z_:][a-zA-Z0-9_:]*", text) if "_" in name and not name.startswith("coditect:")} - {
        "histogram_quantile", "label_values"}


def files(checks):
    folder = os.path.join(OPERATIONS, "prometheus")
    for command in (["check", "config", "prometheus.yml"], ["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]):
        ran = subprocess.run(["promtool", *command], cwd=folder, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        checks.fine("promtool " + " ".join(command))
    text = open(os.path.join(folder, "rules.yml"), encoding="utf-8").read()
    page = open(os.path.join(house.ROOT, "docs", "how-to", "operate.md"), encoding="utf-8").read()
    headings = {re.sub(r"[^a-z0-9 -]", "", line[3:].lower()).strip().replace(" ", "-") for line in page.splitlines() if line.startswith("## ")}
    alerts, books = re.findall(r"- alert: (\w+)", text), re.findall(r"runbook: docs/how-to/operate\.md#(\S+)", text)
    assert len(alerts) == len(books) and set(books) <= headings, set(books) - headings
    tested = open(os.path.join(folder, "rules.test.yml"), encoding="utf-8").read()
    untested = [name for name in alerts if name not in tested]
    assert not untested, untested
    checks.fine(f"each of {len(alerts)} alerts has a runbook and a unit test")
    for manifest in sorted(glob.glob(os.path.join(OPERATIONS, "kubernetes", "*.yaml"))):
        if os.path.basename(manifest) == "kustomization.yaml":
            continue
        ran = subprocess.run([sys.executable, "-m", "kubernetes_validate", "--strict", "-k", "1.31.0", manifest], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    checks.fine("the manifests are what Kubernetes 1.31 takes")
    docker = open(os.path.join(OPERATIONS, "kubernetes", "Dockerfile"), encoding="utf-8").read()
    readme = open(os.path.join(house.ROOT, "Scripts", "release-readme.md"), encoding="utf-8").read()
    wanted = re.search(r"^apt-get install --no-install-recommends (.*)$", readme, re.M).group(1).split()
    assert all(re.search(rf"\b{re.escape(package)}\b", docker) for package in wanted), "the image lacks packages of the release"
    checks.fine("the image has the packages that a release names")


def live(checks):
    with house.Kernel() as kernel:
        # Something of everything: a customer with a licence and a seat, a refusal, a decision.
        token = kernel.member()
        device = {"license_id": kernel.paid_license(token)["id"], "hardware_id": "desk-1"}
        kernel.want(200, "POST", "/api/v1/licenses/acquire", device, token=token)
        kernel.want(404, "GET", "/api/v1/nothing")
        endpoint = {"url": "https://hooks.example.com/in", "events": ["*"]}
        kernel.want(201, "POST", "/api/v1/webhooks", endpoint, token=token)
        told = kernel.want(200, "GET", "/metrics").body.decode()
        known = set(re.findall(r"^# TYPE (\S+)", told, re.M))
        helped = set(re.findall(r"^# HELP (\S+)", told, re.M))
        assert known == helped, known ^ helped
        asked = list(questions())
        for title, expression, _ in asked:
            for name in names(expression) - CONDITIONAL:
                base = re.sub(r"_(bucket|sum|count)$", "", name)
                assert name in known or base in known or name in ("up",), f"{title} asks for {name}, which the server does not tell"
        checks.fine(f"every metric in {len(asked)} questions is one that the server tells ({len(known)} families)")

        prometheus = Prometheus([kernel.base.split("//")[1]])
        try:
            def scraped():
                if prometheus.process.poll() is not None:
                    raise AssertionError(open(prometheus.log.name, encoding="utf-8").read()[-3000:])
                if not prometheus.is_ready():
                    return False
                try:
                    # Rates want two looks, and a rule that builds on another wants it evaluated.
                    return bool(prometheus.ask('count_over_time(up{job="coditect"}[1m]) > 5')) and bool(
                        prometheus.ask("coditect:http_request_duration_seconds:p99_5m"))
                except OSError:
                    return False
            kernel.until("Prometheus' looks", scraped, 60)
            groups = prometheus.get("/api/v1/rules")["data"]["groups"]
            bad = [rule for group in groups for rule in group["rules"] if rule["health"] == "err"]
            assert groups and not bad, bad
            checks.fine(f"Prometheus evaluates {sum(len(group['rules']) for group in groups)} rules without an error")
            empty = [title for title, expression, isPanel in asked if not prometheus.ask(expression) and isPanel]
            assert not empty, f"these panels show nothing beside a running server: {empty}"
            checks.fine(f"every panel of the dashboard shows something ({sum(isPanel for _, _, isPanel in asked)} questions)")
            assert prometheus.ask("license_active_sessions")[0]["value"][1] == "1", prometheus.ask("license_active_sessions")
            assert prometheus.ask('sum(policy_decisions_total{hook="on_seat_request"})')[0]["value"][1] != "0"
            assert prometheus.ask("audit_chain_broken")[0]["value"][1] == "0"
            checks.fine("one seat taken is one session; the journals are intact")
            firing = {alert["labels"]["alertname"] for alert in prometheus.get("/api/v1/alerts")["data"]["alerts"] if alert["state"] == "firing"}
            assert not firing, firing
            checks.fine("no alert fires beside a healthy server")
            kernel.kill()
            kernel.until("ServerDown to be noticed", lambda: any(
                alert["labels"]["alertname"] == "ServerDown" for alert in prometheus.get("/api/v1/alerts")["data"]["alerts"]), 30)
            checks.fine("a server that was killed is noticed")
            kernel.start()
        finally:
            prometheus.stop()


def main():
    checks = Checks()
    files(checks)
    live(checks)
    print(f"operations: {checks.passed} passed, 0 failed")


if __name__ == "__main__":
    main()
