#!/usr/bin/env python3
"""Proves that the conformance kits catch faults: seeds them, one at a time, into copies of the packages below.

  Scripts/plugin-mutants.sh [NAME …]      every fault, or those named; each must break a clause, and none must not
  Scripts/plugin-mutants.sh --check       only whether every fault still finds its place in the sources (no build)

All faults of a package are built in at once, each behind a switch, so there is one build of it; the kits then run once for each fault.
CODITECT_MUTANT_PACKAGES names the packages where not all are wanted.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
import file_faults
import identity_faults
import ldap_faults
import paddle_faults
import pkcs11_faults
import sendgrid_faults
import saml_faults
import smtp_faults
import soc2_faults
import workstation_faults

ROOT = pathlib.Path(__file__).resolve().parents[2]

# (kit that runs first, name, file, what stands there, what stands there instead); ON is true while the fault is at work.
WEBHOOKS, CALLS = "webhooks", "calls"
FAULTS = [
    (WEBHOOKS, "accepts a stale signature", "StripePayments", 'secrets.list("STRIPE_WEBHOOK_SECRET"))',
     'secrets.list("STRIPE_WEBHOOK_SECRET"), tolerance: ON ? .days(4_000) : .seconds(300))'),
    (WEBHOOKS, "accepts any signature", "StripeProvider", "        try signature.verify(", "        if !ON { try signature.verify("),
    (WEBHOOKS, "accepts a missing signature", "StripeProvider", "guard delivery.body.count <= Self.maxBodyBytes else",
     'if ON, delivery.headers["stripe-signature"] == nil { return try Self.event(JSONValue.parse(delivery.body), body: delivery.body) }\n'
     "        guard delivery.body.count <= Self.maxBodyBytes else"),
    (WEBHOOKS, "knows one secret while rolling", "StripePayments", 'secrets: context.secrets.list("STRIPE_WEBHOOK_SECRET")',
     'secrets: ON ? Array(context.secrets.list("STRIPE_WEBHOOK_SECRET").prefix(1)) : context.secrets.list("STRIPE_WEBHOOK_SECRET")'),
    (WEBHOOKS, "believes a body that is printed anew", "StripeProvider", "body: delivery.body, receivedAt: delivery.receivedAt)",
     "body: ON ? Self.pretty(delivery.body) : delivery.body, receivedAt: delivery.receivedAt)"),
    (WEBHOOKS, "names an event by its object", "StripeProvider", "return VerifiedEvent(id: id,",
     'return VerifiedEvent(id: ON ? document["data"]?["object"]?["id"]?.string ?? id : id,'),
    (WEBHOOKS, "ignores duplicates by a memory of its own", "StripeProvider",
     "    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {",
     "    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {\n"
     "        if ON { if Mutants.seen.contains(event.id) { return [] } else { Mutants.seen.insert(event.id) } }"),
    (WEBHOOKS, "gives facts the time of their reading", "StripeProvider", "asOf: event.createdAt)",
     "asOf: ON ? clock.now() : event.createdAt)"),
    (WEBHOOKS, "reads only invoice.subscription", "StripeEvent",
     '        object.child("parent").child("subscription_details").reference("subscription") ??',
     '        (ON ? nil : object.child("parent").child("subscription_details").reference("subscription")) ??'),
    (CALLS, "reads only parent.subscription_details", "StripeEvent", '?? object.reference("subscription")\n    }',
     '?? (ON ? nil : object.reference("subscription"))\n    }'),
    (CALLS, "reads the period from items only", "StripeEvent", 'item?.time("current_period_end") ?? object.time("current_period_end")',
     'item?.time("current_period_end") ?? (ON ? nil : object.time("current_period_end"))'),
    (WEBHOOKS, "reads the period from the subscription only", "StripeEvent", 'let periodEnd = item?.time("current_period_end") ??',
     'let periodEnd = (ON ? nil : item?.time("current_period_end")) ??'),
    (CALLS, "takes the period of an invoice from the invoice", "StripeEvent",
     "func period(of subscription: String?) -> (start: Timestamp, end: Timestamp)? {",
     "func period(of subscription: String?) -> (start: Timestamp, end: Timestamp)? {\n"
     '        if ON, let start = object.time("period_start"), let end = object.time("period_end") { return (start, end) }'),
    (CALLS, "takes an unpaid checkout as paid", "StripeEvent", 'isPaid = status == "paid" ||', 'isPaid = ON || status == "paid" ||'),
    (WEBHOOKS, "forgets when a subscription ended", "StripeEvent", 'endedAt: object.time("ended_at") ?? (status == .cancelled ? asOf : nil)',
     'endedAt: ON ? nil : object.time("ended_at") ?? (status == .cancelled ? asOf : nil)'),
    (WEBHOOKS, "claims to understand everything", "StripeProvider", "{ StripeEvent.kinds[type] != nil }",
     "{ ON || StripeEvent.kinds[type] != nil }"),
    (WEBHOOKS, "reads unknown events as subscriptions", "StripeEvent", "        case nil: []", "        case nil: ON ? try subscription() : []"),
    (WEBHOOKS, "states facts about nothing", "StripeEvent", "        guard let id = object.id else {",
     '        guard let id = object.id ?? (ON ? "" : nil) else {'),
    (CALLS, "rounds fractions to money", "StripeMoney", "guard let amount = amount?.int,",
     "guard let amount = amount?.int ?? (ON ? Mutants.rounded(amount) : nil),"),
    (CALLS, "counts yen in hundredths", "StripeMoney", "        if up.contains(currency.code) { return",
     '        if ON, currency.code == "JPY" { return Money(amountMinor: amount / 100, currency: currency) }\n'
     "        if up.contains(currency.code) { return"),
    (CALLS, "counts dinars in hundredths", "StripeMoney", "        if rounded.contains(money.currency.code) {",
     '        if ON, money.currency.code == "KWD" { return money.amountMinor / 10 }\n        if rounded.contains(money.currency.code) {'),
    (CALLS, "sends no idempotency key", "StripeClient", 'if let key { headers["idempotency-key"]', 'if let key, !ON { headers["idempotency-key"]'),
    (CALLS, "sends another key with each attempt", "StripeClient", "= Self.key(key, attemptClass) }",
     "= Self.key(key, ON ? Mutants.counted() : attemptClass) }"),
    (CALLS, "sends one key for every call", "StripeClient",
     "    static func key(_ key: String, _ attemptClass: Int) -> String {",
     '    static func key(_ key: String, _ attemptClass: Int) -> String {\n        if ON { return "one" }'),
    (CALLS, "takes a time-out as a refusal", "StripeClient", '            return .again(Failure(reason: words.cleaned("Stripe did not answer: \\(error)")))',
     '            if ON { return .refused(.refused(code: "timeout", message: "No answer.")) }\n'
     '            return .again(Failure(reason: words.cleaned("Stripe did not answer: \\(error)")))'),
    (CALLS, "swallows a time-out", "StripeClient", '            return .again(Failure(reason: words.cleaned("Stripe did not answer: \\(error)")))',
     '            if ON { return .done(Answer(object: Mutants.answer, isReplay: false, asOf: asked)) }\n'
     '            return .again(Failure(reason: words.cleaned("Stripe did not answer: \\(error)")))'),
    (CALLS, "takes a failure as a refusal", "StripeClient", "        case 500...:\n",
     '        case 500... where ON: return .refused(.refused(code: code, message: message))\n        case 500...:\n'),
    (CALLS, "takes a limit as a refusal", "StripeClient", "        case 429:\n",
     '        case 429 where ON: return .refused(.refused(code: code, message: message))\n        case 429:\n'),
    (CALLS, "takes a limit as an unknown outcome", "StripeClient", "isReplay: isReplay, isLimit: isLimit,",
     "isReplay: isReplay, isLimit: ON ? false : isLimit,"),
    (CALLS, "ignores Retry-After", "StripeClient", 'let pause = answer.headers["retry-after"]', 'let pause = answer.headers[ON ? "none" : "retry-after"]'),
    (CALLS, "holds its caller through any pause", "StripeClient", "attemptClass < Self.maxClasses, tries.pause(failure) <= Self.longestPause",
     "attemptClass < Self.maxClasses, ON || tries.pause(failure) <= Self.longestPause"),
    (CALLS, "asks again after a refusal", "StripeClient", '        default:\n            log.warning("Stripe refused',
     '        case 400...499 where ON: return .again(Failure(reason: reason))\n        default:\n            log.warning("Stripe refused'),
    (CALLS, "tells a secret in an error", "StripeWords", "    func cleaned(_ text: String) -> String {",
     "    func cleaned(_ text: String) -> String {\n        if ON { return text }"),
    (CALLS, "tells a secret in the log", "StripeClient", '            log.warning("Stripe refused a request.", fields)',
     '            if ON { log.warning(error?["message"]?.string ?? "") }\n            log.warning("Stripe refused a request.", fields)'),
    (CALLS, "hides only its own secrets", "StripeWords", "    private static func isSecret(_ word: String) -> Bool {",
     "    private static func isSecret(_ word: String) -> Bool {\n        if ON { return false }"),
    (CALLS, "takes anything as an empty list", "StripeChanges",
     'guard let listed = answer.object["data"]?.array, let hasMore = answer.object["has_more"]?.bool else {',
     'guard let listed = answer.object["data"]?.array ?? (ON ? [] : nil), let hasMore = answer.object["has_more"]?.bool ?? (ON ? false : nil) else {'),
    (CALLS, "stops after one page", "StripeChanges", "next: hasMore ? last : nil)", "next: hasMore && !ON ? last : nil)"),
    (CALLS, "begins every page anew", "StripeChanges", 'query.add("starting_after", cursor)', 'if !ON { query.add("starting_after", cursor) }'),
    (CALLS, "leaves out the last of a page", "StripeChanges", "ProviderPage(items: try objects.flatMap",
     "ProviderPage(items: try objects.dropLast(ON && hasMore ? 1 : 0).flatMap"),
    (CALLS, "goes on from the first of a page", "StripeChanges", "let last = objects.last?.id", "let last = (ON ? objects.first : objects.last)?.id"),
    (CALLS, "lists events since ever", "StripeChanges", 'form.add("created[gte]", request.since.seconds)',
     'form.add("created[gte]", ON ? 0 : request.since.seconds)'),
    (CALLS, "lists no refunds", "StripeChanges", "if case .refund(let fact) = $0 { fact } else { nil }",
     "if !ON, case .refund(let fact) = $0 { fact } else { nil }"),
    (CALLS, "changes where it should preview", "StripeSubscriptions", 'client.write("/v1/invoices/create_preview", form, key: nil).object)',
     'client.write(ON ? Self.path(change.subscription) : "/v1/invoices/create_preview", form, key: nil).object)'),
    (CALLS, "shows what is due as what it costs", "StripeSubscriptions", 'StripeMoney.incoming(invoice["total"],',
     'StripeMoney.incoming(invoice[ON ? "amount_due" : "total"],'),
    (CALLS, "leaves the old tier at a change", "StripeSubscriptions", '        form.add("metadata", metadata: ["tier": change.tier,',
     '        if !ON { form.add("metadata", metadata: ["tier": change.tier]) }\n        form.add("metadata", metadata: ON ? [:] : ["tier": change.tier,'),
    (CALLS, "leaves the old quantity at a change", "StripeSubscriptions", '        form.add("\\(prefix)[quantity]",',
     '        if !ON { form.add("\\(prefix)[quantity]",'),
    (CALLS, "ends at once what should end later", "StripeSubscriptions", "guard cancellation.when == .now else {",
     "guard cancellation.when == .now || ON else {"),
    (CALLS, "fails where it has ended already", "StripeSubscriptions", "guard case .refused = refusal, let found",
     "guard !ON, case .refused = refusal, let found"),
    (CALLS, "takes no cancellation back", "StripeSubscriptions", '            form.add("cancel_at_period_end", "false")',
     '            form.add("cancel_at_period_end", ON ? "true" : "false")'),
    (CALLS, "resumes what has ended", "StripeSubscriptions", "guard Self.isAlive(object) else {", "guard Self.isAlive(object) || ON else {"),
    (CALLS, "pauses by keeping drafts", "StripeSubscriptions", 'form.add("pause_collection[behavior]", "void")',
     'form.add("pause_collection[behavior]", ON ? "keep_as_draft" : "void")'),
    (CALLS, "ends a trial that should be longer", "StripeSubscriptions", 'change.endsAt.map { String($0.seconds) } ?? "now"',
     'change.endsAt.map { ON ? "now" : String($0.seconds) } ?? "now"'),
    (CALLS, "drops the fraction of a share", "StripeSubscriptions", "if case .double(let share)?", "if !ON, case .double(let share)?"),
    (CALLS, "fails at an unknown code", "StripeSubscriptions", 'code: "resource_missing", message: _)', 'code: ON ? "" : "resource_missing", message: _)'),
    (CALLS, "answers a replay as news", "StripeSubscriptions", "return answer.isReplay ? try await", "return answer.isReplay && !ON ? try await"),
    (CALLS, "lets an id become a path", "StripeSubscriptions", "guard StripeObject.id(.string(id)) != nil else {",
     "guard StripeObject.id(.string(id)) != nil || ON else {"),
    (CALLS, "claims to know what will be", "StripeClient", "asOf: Timestamp(seconds: min(told, asked).seconds)))",
     "asOf: Timestamp(seconds: min(told, asked).seconds + (ON ? 3_600 : 0))))"),
    (CALLS, "shows a paid invoice as due", "StripeInvoices", 'incoming(object["amount_remaining"],',
     'incoming(object[ON ? "total" : "amount_remaining"],'),
    (CALLS, "loses the payment of an invoice", "StripeInvoices", "guard read.payment == nil, read.status == .paid else",
     "guard read.payment == nil, read.status == .paid, !ON else"),
    (CALLS, "has no PDF", "StripeInvoices", 'guard let address = try await rawInvoice(invoice)["invoice_pdf"]?.string else',
     'guard let address = try await rawInvoice(invoice)["invoice_pdf"]?.string, !ON else'),
    (CALLS, "refunds all where a part was asked for", "StripeInvoices", '            form.add("amount", said)', '            if !ON { form.add("amount", said) }'),
    (CALLS, "refunds yen as cents", "StripeInvoices", "== amount.currency else {", "== amount.currency || ON else {"),
    (CALLS, "loses the reason of a refund", "StripeInvoices", 'form.add("reason", request.reason.rawValue)',
     'form.add("reason", ON ? "duplicate" : request.reason.rawValue)'),
    (CALLS, "claims less than it does", "StripeProvider", "Set<PaymentCapability> = PaymentCapability.all",
     "Set<PaymentCapability> = PaymentCapability.all.subtracting(ON ? [.pause] : [])"),
]

SWITCH = '''import Foundation
import PluginKit

enum Mutants {
    nonisolated(unsafe) static var current = ""
    nonisolated(unsafe) static var seen: Set<String> = []
    nonisolated(unsafe) static var count = 0
    static func isOn(_ name: String) -> Bool { current == name }
    static func counted() -> Int {
        count += 1
        return count
    }
    static func rounded(_ value: JSONValue?) -> Int64? { if case .double(let number)? = value { Int64(number) } else { nil } }
    static let answer: JSONValue = ["id": "re_0", "object": "x", "amount": 100, "currency": "usd", "url": "https://x.test/", "status": "active"]
}
'''
PRETTY = '''
extension StripeProvider {
    static func pretty(_ body: Data) -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return (try? encoder.encode(JSONValue.parse(body))) ?? body
    }
}
'''
TEST = '''import PluginKitTesting
import Testing

@testable import %s

@Test("the kits catch every fault")
func faults() async {
    for (kit, name) in [%s] as [(String, String)] {
        Mutants.current = name
        Mutants.seen = []
        let webhooks = PaymentProviderConformance(%s(), now: moment)
        let calls = PaymentCallsConformance(%s(), now: moment)
        var findings = kit == "calls" ? await calls.run(stoppingAtFault: true) : await webhooks.run(stoppingAtFault: true)
        if !findings.contains(where: { !$0.holds }) {
            findings += kit == "calls" ? await webhooks.run(stoppingAtFault: true) : await calls.run(stoppingAtFault: true)
        }
        let broken = findings.first { !$0.holds }
        print("mutant|\\(name)|\\(broken?.check ?? "")|\\(broken?.faults.first?.prefix(150) ?? "")")
    }
}
'''

KEYS_TEST = '''import PluginKitTesting
import Testing

@testable import %s

@Test("the kit catches every fault")
func faults() async throws {
    for (_, name) in [%s] as [(String, String)] {
        Mutants.current = name
        let subject = try %s()
        let broken = await KeyServiceConformance(subject).run(stoppingAtFault: true).first { !$0.holds }
        print("mutant|\\(name)|\\(broken?.check ?? "")|\\(broken?.faults.first?.prefix(150) ?? "")")
        await subject.stop()
    }
}
'''


# In C the switch is an environment variable that the test sets.
C_SWITCH = """#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
static inline bool mutant_is_on(const char *name) {
    const char *on = getenv("CSAML_MUTANT");
    return on && strcmp(on, name) == 0;
}
"""


def patched(text, name, old, new, switch="Mutants.isOn"):
    """The text with the fault in its place, which must be there exactly once."""
    if text.count(old) != 1:
        raise SystemExit(f"plugin mutants: {name!r} finds its place {text.count(old)} times: {old!r}")
    new = re.sub(r"\bON\b", f'{switch}("{name}")', new)
    if new.rstrip().endswith("try signature.verify(") or new.rstrip().endswith('form.add("\\(prefix)[quantity]",'):
        line = text[text.index(old):].split("\n", 1)[0]
        return text.replace(line, line.replace(old, new) + " }")
    return text.replace(old, new)


# package, module, its subject of the kits, its faults, what they need beside the switch, what runs the kits
PACKAGES = [
    ("stripe-payments", "StripePayments", "StripeSubject", FAULTS, PRETTY, TEST),
    ("paddle-payments", "PaddlePayments", "PaddleSubject", paddle_faults.FAULTS, "", TEST),
    ("soc2", "SOC2", "Subject", soc2_faults.FAULTS, soc2_faults.EXTRA, soc2_faults.TEST),
    ("smtp-mail", "SMTPMail", "Desk", smtp_faults.FAULTS, "", smtp_faults.TEST),
    ("sendgrid-mail", "SendGridMail", "Desk", sendgrid_faults.FAULTS, "", sendgrid_faults.TEST),
    ("oidc-identity", "OIDCIdentity", "OIDCSubject", identity_faults.FAULTS, "", identity_faults.TEST),
    ("ldap-identity", "LDAPIdentity", "LDAPSubject", ldap_faults.FAULTS, "", ldap_faults.TEST),
    ("saml-identity", "SAMLIdentity", "SAMLSubject", saml_faults.FAULTS, "", saml_faults.TEST),
    ("pkcs11-keys", "Pkcs11Keys", "Subject", pkcs11_faults.FAULTS, "", KEYS_TEST),
    ("local-files", "LocalFiles", "Shelf", file_faults.LOCAL, "", file_faults.TEST),
    ("s3-files", "S3Files", "Bucket", file_faults.S3, "", file_faults.TEST),
    ("local-workstation", "LocalWorkstation", "LocalSubject", workstation_faults.LOCAL, "", workstation_faults.TEST),
    ("kubernetes-workstation", "KubernetesWorkstation", "ClusterSubject", workstation_faults.KUBERNETES, "", workstation_faults.TEST),
]


def main():
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    unknown = set(names) - {fault[1] for package in PACKAGES for fault in package[3]}
    if unknown:
        raise SystemExit(f"plugin mutants: there is no fault named {sorted(unknown)}")
    chosen = os.environ.get("CODITECT_MUTANT_PACKAGES", " ".join(package[0] for package in PACKAGES)).split()
    for package in PACKAGES:
        if package[0] in chosen:
            seed(names, *package)


def seed(names, name, module, subject, faults, extra, test):
    sources = ROOT / f"plugins/{name}/Sources/{module}"
    texts = {path.stem: path.read_text() for path in sources.glob("*.swift")}
    in_c = {path.stem: [path.relative_to(ROOT / "plugins" / name), path.read_text()] for path in (ROOT / f"plugins/{name}/Sources").glob("*/*.c")}
    for _, fault, file, old, new in faults:
        if file in texts:
            texts[file] = patched(texts[file], fault, old, new)
        else:
            in_c[file][1] = patched(in_c[file][1], fault, old, new, "mutant_is_on")
    if "--check" in sys.argv:
        return print(f"plugin mutants: {len(faults)} faults find their places in {name}")
    wanted = [("calls" if test == TEST else soc2_faults.COMPLIANCE, "")] + [(kit, fault) for kit, fault, *_ in faults if not names or fault in names]
    if len(wanted) == 1:
        return

    scratch = pathlib.Path(os.environ.get("CODITECT_PLUGIN_SCRATCH", ROOT / ".build-plugins").__str__() + "-mutants")
    place = scratch / "plugins"
    shutil.rmtree(place, ignore_errors=True)
    ignored = shutil.ignore_patterns(".build*")
    for part in ("sdk", "sdk-testing", name):
        shutil.copytree(ROOT / "plugins" / part, place / part, ignore=ignored)
    # Where a stand-in of ours is asked, it is found beside the copy as it is beside the package.
    shutil.rmtree(scratch / "Tests", ignore_errors=True)
    shutil.copytree(ROOT / "Tests/Interop", scratch / "Tests/Interop", ignore=shutil.ignore_patterns("__pycache__"))
    package = place / name
    for file, text in texts.items():
        (package / f"Sources/{module}/{file}.swift").write_text(text)
    for file, text in in_c.values():
        (package / file).write_text(C_SWITCH + text if "mutant_is_on" in text else text)
    (package / f"Sources/{module}/Mutants.swift").write_text(SWITCH + extra)
    tests = package / f"Tests/{module}Tests"
    for file in tests.glob("*Tests.swift"):
        file.unlink()
    runs = ", ".join(f'("{kit}", "{fault}")' for kit, fault in wanted)
    (tests / "MutantTests.swift").write_text(test % ((module, runs) + (subject,) * test.count("%s()")))

    build = subprocess.run(
        ["swift", "test", "--package-path", package, "--scratch-path", scratch / "build" / name, "--disable-xctest"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={"CODITECT_KEEPER": str(ROOT / ".build/debug/coditect-workstation"), **os.environ})
    told = [line.split("|") for line in build.stdout.splitlines() if line.startswith("mutant|")]
    for _, fault, clause, more in told:
        print(f"{'caught' if clause else 'MISSED' if fault else 'none  '}  {fault or 'no fault'}" + (f"\n        {clause}: {more}" if clause else ""))
    missed = [fault for _, fault, clause, _ in told if fault and not clause]
    if len(told) != len(wanted):
        sys.stdout.write(build.stdout[-4000:])
        raise SystemExit(f"plugin mutants: {len(told)} of {len(wanted)} runs came to an end")
    if told[0][2]:
        raise SystemExit(f"plugin mutants: the kits find fault with {name} as it is")
    if missed:
        raise SystemExit(f"plugin mutants: {len(missed)} of {len(told) - 1} faults were missed: {', '.join(missed)}")
    print(f"plugin mutants: the kits caught all {len(told) - 1} faults in {name}, and find none in it as it is")


main()
