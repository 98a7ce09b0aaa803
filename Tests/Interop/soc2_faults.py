"""Faults for soc2, as Tests/Interop/plugin_mutants.py reads them: kit, name, file, what stands there, what stands there instead."""

COMPLIANCE = "compliance"
FAULTS = [
    (COMPLIANCE, "passes without evidence", "Reading", "guard let piece = all.first else {",
     "guard let piece = all.first ?? (ON ? try? ComplianceMutants.sound(need.kind, question) : nil) else {"),
    (COMPLIANCE, "takes the first of two pieces", "Reading", "guard all.allSatisfy({ $0.digest == piece.digest }) else {",
     "guard ON || all.allSatisfy({ $0.digest == piece.digest }) else {"),
    (COMPLIANCE, "takes any version", "Reading", "guard piece.version == need.version else {", "guard ON || piece.version == need.version else {"),
    (COMPLIANCE, "takes another tenant's evidence", "Reading", 'guard piece.scope == question.scope || piece.scope == "platform" else {',
     'guard ON || piece.scope == question.scope || piece.scope == "platform" else {'),
    (COMPLIANCE, "takes evidence of any size", "Reading", "size <= Evidence.maxBytes else {", "ON || size <= Evidence.maxBytes else {"),
    (COMPLIANCE, "checks no digest", "Reading", "guard piece.isIntact else {", "guard ON || piece.isIntact else {"),
    (COMPLIANCE, "takes evidence of tomorrow", "Reading", "guard piece.collectedAt <= question.now + .minutes(5) else {",
     "guard ON || piece.collectedAt <= question.now + .minutes(5) else {"),
    (COMPLIANCE, "takes evidence of any age", "Reading", "guard age <= .seconds(need.maxAgeSeconds) else {",
     "guard ON || age <= .seconds(need.maxAgeSeconds) else {"),
    (COMPLIANCE, "refuses evidence that is just fresh enough", "Reading", "let age = question.now - piece.collectedAt",
     "let age = question.now - piece.collectedAt + (ON ? .seconds(1) : .zero)"),
    (COMPLIANCE, "counts a missing second factor as not applicable", "Judgement", "guard facts.isSupported else {",
     'guard facts.isSupported || !ON else { return pass("There is none.", "is_supported") }\n        guard facts.isSupported else {'),
    (COMPLIANCE, "is content with most second factors", "Judgement", "guard facts.withSecondFactor == facts.elevated else {",
     "guard facts.withSecondFactor == facts.elevated || (ON && facts.withSecondFactor * 2 > facts.elevated) else {"),
    (COMPLIANCE, "believes more second factors than people", "Judgement", "guard facts.withSecondFactor <= facts.elevated else {",
     "if ON, facts.withSecondFactor > facts.elevated { return pass(\"All have one.\", \"elevated\") }\n"
     "        guard facts.withSecondFactor <= facts.elevated else {"),
    (COMPLIANCE, "overlooks a broken chain", "Judgement", "guard facts.findings == 0 else {", "guard ON || facts.findings == 0 else {"),
    (COMPLIANCE, "needs no signed checkpoint", "Judgement", "guard facts.checkpoints > 0 else {", "guard ON || facts.checkpoints > 0 else {"),
    (COMPLIANCE, "takes a change without tests", "Judgement", "($0.testsPassed ?? 0) < 1 })", "($0.testsPassed ?? (ON ? 1 : 0)) < 1 })"),
    (COMPLIANCE, "takes a change by nobody", "Judgement", "$0.actor.isEmpty })", "!ON && $0.actor.isEmpty })"),
    (COMPLIANCE, "does not look at what is in force", "Judgement", 'guard newest.hash == facts.inForce ?? "" else {',
     'guard ON || newest.hash == facts.inForce ?? "" else {'),
    (COMPLIANCE, "never finds a key too old", "Judgement", "> .days(rules.keyDays) }", "> .days(rules.keyDays + (ON ? 10_000 : 0)) }"),
    (COMPLIANCE, "looks at the first key only", "Judgement", "let old = facts.keys.filter", "let old = facts.keys.prefix(ON ? 1 : 200).filter"),
    (COMPLIANCE, "overlooks a leaver's lease", "Judgement", "leaver.leases > 0 ||", "(!ON && leaver.leases > 0) ||"),
    (COMPLIANCE, "overlooks how late access ended", "Judgement", "guard late == 0 else {", "guard ON || late == 0 else {"),
    (COMPLIANCE, "takes any review for ever", "Judgement", "guard now - signed <= .days(rules.reviewDays) else {",
     "guard ON || now - signed <= .days(rules.reviewDays) else {"),
    (COMPLIANCE, "forgets who was not reviewed", "Judgement", "guard facts.unreviewed == 0 else {", "guard ON || facts.unreviewed == 0 else {"),
    (COMPLIANCE, "adds up what does not add up", "Judgement", "guard facts.confirmed + facts.newSince + facts.unreviewed == facts.members else",
     "guard ON || facts.confirmed + facts.newSince + facts.unreviewed == facts.members else"),
    (COMPLIANCE, "gives no reason for a pass", "Judgement",
     "private func pass(_ reason: String, _ names: String...) -> ControlAnswer { ControlAnswer(.pass, reason: reason,",
     'private func pass(_ reason: String, _ names: String...) -> ControlAnswer { ControlAnswer(.pass, reason: ON ? "" : reason,'),
    (COMPLIANCE, "invents the facts that it rests on", "Judgement", "RelevantFact(piece.kind, $0, piece.facts[$0] ?? .null)",
     "RelevantFact(piece.kind, $0, ON ? 7 : piece.facts[$0] ?? .null)"),
    (COMPLIANCE, "passes what it does not know", "SOC2", 'throw PluginRefusal("soc2 has no such control")',
     'if ON { return ControlAnswer(.pass, reason: "Fine.", facts: [RelevantFact(.leavers, "ended", 0)]) }\n'
     '            throw PluginRefusal("soc2 has no such control")'),
    (COMPLIANCE, "remembers what it answered", "SOC2", "do throws(Unusable) {",
     "if ON { if Mutants.seen.contains(control.id) { return ControlAnswer(.notEvaluated, reason: \"Asked before.\", missing: [need.kind.rawValue]) }\n"
     "            Mutants.seen.insert(control.id) }\n        do throws(Unusable) {"),
    (COMPLIANCE, "reads what it does not declare", "SOC2", "guard let need = control.reads.first else {",
     "if ON, question.evidence.contains(where: { !control.reads.map(\\.kind).contains($0.kind) }) {\n"
     '            return ControlAnswer(.notEvaluated, reason: "More than was asked for.", missing: control.reads.map(\\.kind.rawValue) + ["less"])\n'
     "        }\n        guard let need = control.reads.first else {"),
    (COMPLIANCE, "gives an id twice", "SOC2", "controls: Controls.all)", "controls: ON ? Controls.all + [Controls.all[0]] : Controls.all)"),
]

EXTRA = '''
enum ComplianceMutants {
    /// What a framework would make up.
    static func sound(_ kind: EvidenceKind, _ question: ControlQuestion) throws -> Evidence {
        try Evidence(
            kind, scope: question.scope, source: "nowhere", collectedAt: question.now,
            facts: LeaverFacts(since: Timestamp(seconds: 1), ended: 0, leavers: [], withAccess: 0))
    }
}
'''

TEST = '''import PluginKitTesting
import Testing

@testable import %s

@Test("the kit catches every fault")
func faults() async {
    for (_, name) in [%s] as [(String, String)] {
        Mutants.current = name
        Mutants.seen = []
        let findings = await ComplianceFrameworkConformance(%s()).run()
        let broken = findings.first { !$0.holds }
        print("mutant|\\(name)|\\(broken?.check ?? "")|\\(broken?.faults.first?.prefix(150) ?? "")")
    }
}
'''
