"""A plugin's process ends in the middle of a refund and of a change of subscription, on a running server: by SIGKILL, by SIGSEGV, by a hang that the
server ends; before the effect and after it. The operation is unknown, and is settled once. Standard library only.

The plugin is a copy of sandbox-payments that dies, once for each call, where the amount or the quantity says so."""

import os
import shutil
import subprocess
import sys
import tempfile
import threading

from kernel import BUILD, ROOT, Kernel
from test_billing import Customer
from test_isolated_plugin import children

# manner: how it ends, whether the effect is there, and what asks for it
MANNERS = {"killed": (1001, 5, "after"), "crashed": (1002, 6, "before"), "hung": (1003, 7, "after")}
ENDS = {"killed": "signal 9", "crashed": "signal 11", "hung": "did not come back within 3 s"}
DOOM = '''import Foundation
import PluginKit

extension SandboxProvider {
    /// Ends the process here, once for each call and number.
    func doom(_ call: String, _ number: Int64, _ place: String) async throws {
        let dooms: [Int64: (String, String)] = [%s]
        guard let (manner, when) = dooms[number], when == place else { return }
        let space = shop.ledger.space
        guard try await space.replace("doomed/\\(call)/\\(number)", expecting: nil, with: Data([1])) else { return }
        switch manner {
        case "killed": raise(SIGKILL)
        case "crashed": UnsafeMutablePointer<Int>(bitPattern: 8)?.pointee = 1
        default: while true { pause() }
        }
    }
}
'''


def replaced(text, old, new):
    assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
    return text.replace(old, new)


def doomed(folder):
    """The plugins of a server, the sandbox among them mortal."""
    packages = os.path.join(folder, "plugins")
    shutil.copytree(os.path.join(ROOT, "plugins/sandbox-payments"), os.path.join(packages, "sandbox-payments"), ignore=shutil.ignore_patterns(".build*"))
    for name in ("sdk", "sdk-testing"):
        os.symlink(os.path.join(ROOT, "plugins", name), os.path.join(packages, name))
    sources = os.path.join(packages, "sandbox-payments/Sources/SandboxPayments")
    path = os.path.join(sources, "SandboxCalls.swift")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text = replaced(
        text, "        try await changed(change.subscription, change.idempotencyKey, change) { [delay] in try $0.change(change, delay: delay, now: $1) }\n",
        "        try await doom(\"change\", Int64(change.quantity), \"before\")\n"
        "        let fact = try await changed(change.subscription, change.idempotencyKey, change) { [delay] in try $0.change(change, delay: delay, now: $1) }\n"
        "        try await doom(\"change\", Int64(change.quantity), \"after\")\n        return fact\n")
    text = replaced(
        text, "            let account = try await shop.ledger.update(owner(request.payment)) { [delay] account in\n",
        "            try await doom(\"refund\", request.amount?.amountMinor ?? 0, \"before\")\n"
        "            let account = try await shop.ledger.update(owner(request.payment)) { [delay] account in\n")
    text = replaced(
        text, "            // Done before: nothing is written, and the same refund is found.\n",
        "            try await doom(\"refund\", request.amount?.amountMinor ?? 0, \"after\")\n"
        "            // Done before: nothing is written, and the same refund is found.\n")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    pairs = [f'{number}: ("{manner}", "{when}")' for manner, (amount, quantity, when) in MANNERS.items() for number in (amount, quantity)]
    with open(os.path.join(sources, "Doom.swift"), "w", encoding="utf-8") as file:
        file.write(DOOM % ", ".join(pairs))
    built = os.path.join(folder, "built")
    shutil.copytree(os.path.join(BUILD, "plugins"), built)
    scratch = os.path.join(ROOT, ".build-plugins-doomed")
    subprocess.run(
        [os.path.join(ROOT, "Scripts/build-plugins.sh"), "debug", built, os.path.join(packages, "sandbox-payments")], check=True,
        stdout=subprocess.DEVNULL, env={**os.environ, "CODITECT_PLUGIN_SCRATCH": scratch})
    return built


class Story(threading.Thread):
    """One manner of ending, on a server of its own, so that no circuit breaker comes in between."""

    def __init__(self, manner, plugins):
        super().__init__()
        self.manner, self.fault, self.said = manner, None, []
        config = "http:\n  limits_enabled: false\nplugins:\n  sandbox:\n    isolation: process\n    isolation_call_seconds: 3\n"
        self.kernel = Kernel(config=config, plugins=plugins)

    def run(self):
        try:
            with self.kernel:
                self.live()
        except BaseException as error:  # of a thread, told by main
            self.fault = error

    def operation(self, customer, id):
        return next(x for x in customer.get("operations")["operations"] if x["id"] == id)

    def settled(self, customer, id):
        """It is unknown first, and done after a look; what is asked meanwhile is answered."""
        first = self.operation(customer, id)
        assert first["status"] == "unknown", first
        assert self.kernel.call("GET", "/health/ready").status == 200
        done = self.kernel.until(f"the {first['kind']} to be settled", lambda: (
            lambda now: now if now["status"] not in ("unknown", "asked") else None)(self.operation(customer, id)), seconds=90)
        assert done["status"] == "done", done
        return done

    def interrupted(self, call):
        """What the caller hears: nobody knows yet; never that it failed."""
        before = self.kernel.until("the child", lambda: children(self.kernel.process.pid))
        answer = call()
        assert answer.status == 202 or answer.status >= 500, answer
        known = answer.json.get("operation") or {}
        self.said.append((answer.status, known.get("status") or answer.json.get("error")))
        self.kernel.until("another child", lambda: children(self.kernel.process.pid) not in ([], before))
        return known

    def live(self):
        kernel, (amount, quantity, _) = self.kernel, MANNERS[self.manner]
        root, customer = kernel.administrator(), Customer(kernel)
        kernel.paid_license(customer.token, "team", quantity=3)
        customer.portal().press("Renew now")
        invoice = kernel.until("a paid invoice", lambda: next(
            (x for x in customer.get("invoices")["invoices"] if (x["amount"] or {}).get("amount_minor", 0) > 0), None))
        tenant = kernel.want(200, "GET", "/api/v1/orgs/current", token=customer.token).json
        tenant = (tenant.get("org") or tenant.get("tenant") or tenant)["id"]

        def newest(kind):
            return next(x for x in customer.get("operations")["operations"] if x["kind"] == kind)

        # A change.
        quote = customer.post("subscription/preview", {"quantity": quantity})
        agreed = {"quantity": quantity, "proration_at": quote["proration_at"], "due_now_minor": quote["due_now"]["amount_minor"]}
        key = {"Idempotency-Key": f"change-{self.manner}"}
        self.interrupted(lambda: kernel.call("POST", "/api/v1/billing/subscription/change", agreed, token=customer.token, headers=key))
        self.settled(customer, newest("change")["id"])
        kernel.until("the new quantity", lambda: customer.subscription["quantity"] == quantity)
        invoices = kernel.until("the invoice of the change", lambda: (lambda all: all if len(all) > 1 else None)(customer.get("invoices")["invoices"]))
        charged = [x["amount"]["amount_minor"] for x in invoices if x["id"] != invoice["id"] and (x["amount"] or {}).get("amount_minor")]
        assert charged == [quote["due_now"]["amount_minor"]], f"{self.manner}: the change was charged {charged}: {invoices}"
        kernel.until("the seats", lambda: [x["seats"] for x in kernel.licenses(customer.token) if x["tier"] == "team"] == [quantity])

        # A refund of a part.
        path = f"/api/v1/admin/tenants/{tenant}/refunds"
        body = {"invoice_id": invoice["id"], "amount_minor": amount, "reason": "requested_by_customer", "note": "goodwill"}
        key = {"Idempotency-Key": f"refund-{self.manner}"}
        self.interrupted(lambda: kernel.call("POST", path, body, token=root, headers=key))
        self.settled(customer, newest("refund")["id"])
        over = kernel.want(409, "POST", path, {**body, "amount_minor": 3 * 2900 - amount + 1}, token=root).json
        assert over["left_minor"] == 3 * 2900 - amount, f"{self.manner}: the refund was made more than once, or not at all: {over}"

        # The provider's own books say the same, and nobody finds a difference.
        kernel.want(202, "POST", "/api/v1/admin/payments/reconcile", {}, token=root)
        report = kernel.until("the comparison", lambda: next((
            x for x in kernel.want(200, "GET", "/api/v1/admin/payments/reconciliations", token=root).json["reconciliations"]
            if x["provider"] == "sandbox" and x["status"] != "running"), None))
        assert report["status"] == "done" and report["found"] == 0, report
        process = kernel.want(200, "GET", "/api/v1/admin/plugins/sandbox", token=root).json["process"]
        assert process["deaths"] == 2 and process["breaker"] == "closed" and ENDS[self.manner] in process["last_end"], process


def main():
    folder = tempfile.mkdtemp(prefix="doomed-")
    try:
        built = doomed(folder)
        stories = [Story(manner, built) for manner in MANNERS]
        for story in stories:
            story.start()
        for story in stories:
            story.join()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for story in stories:
        if story.fault:
            raise story.fault
        print(f"{story.manner} {MANNERS[story.manner][2]} the effect, in a change and in a refund: the callers heard {story.said}; each settled once")
    return 0


if __name__ == "__main__":
    sys.exit(main())
