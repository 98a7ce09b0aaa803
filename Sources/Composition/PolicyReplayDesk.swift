import Foundation
import HookEngine
import PolicyHost
import Vocabulary

/// The log asked again, and what came of it in lines.
extension PolicyQuestions {
    /// `candidate` is a folder or a hash; `log` a folder or a file of decisions.
    package func replay(_ candidate: String?, log: String?, list: Int) async throws -> (
        lines: [String], flips: [String], report: PolicyReplayReport
    ) {
        let place = log.map { URL(fileURLWithPath: $0) } ?? logFolder
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: place.path, isDirectory: &isFolder) else {
            throw OperatorProblem("there are no decisions in \(place.path); is --data right?")
        }
        let bench = try bench(candidate)
        let files = isFolder.boolValue ? DecisionArchive.files(place) : [place]
        let report = try PolicyReplay(bench, tenants: try await bundles(DecisionArchive.tenantSets(files))).run(files)
        var lines = ["set \(bench.hash.short): \(report.decisions) decisions asked again"] + Self.summary(report)
        for flip in report.listed.prefix(list) { lines.append(Self.shown(flip)) }
        if report.flips > list, list > 0 { lines.append("… \(report.flips - min(list, report.listed.count)) more") }
        return (lines, report.listed.map(Self.json), report)
    }

    static func summary(_ report: PolicyReplayReport) -> [String] {
        var lines = [
            "  \(report.same) the same bytes and fuel, \(report.equal) the same answer by another way, \(report.flips) answered otherwise"
        ]
        if report.unasked > 0 { lines.append("  \(report.unasked) had asked nobody (queue full, or no set live)") }
        if report.unknown > 0 { lines.append("  \(report.unknown) of hooks that this server does not have") }
        if report.gone > 0 { lines.append("  \(report.gone) of tenants whose own policies of then are not kept") }
        if report.torn > 0 { lines.append("  \(report.torn) torn lines, left by a crash") }
        if !report.broken.isEmpty {
            lines.append("  \(report.broken.count) by this very set and yet not the same: the record was edited, or the machine is another")
            lines += report.broken.prefix(5).map { "    \($0)" }
        }
        guard report.flips > 0 else { return lines }
        lines.append("  \(report.people.count) pairs of tenant and user")
        func table(_ title: String, _ counts: [String: Int]) {
            for (name, count) in counts.sorted(by: { ($1.value, $0.key) < ($0.value, $1.key) }).prefix(20) {
                lines.append("  \(title.rightPadded(8))\(name)  \(count)")
            }
        }
        table("change", report.byChange)
        table("tenant", report.byTenant)
        table("tier", report.byTier)
        table("role", report.byRole)
        for (name, shift) in report.shifts.sorted(by: { $0.key < $1.key }) {
            lines.append("  term    \(name)  \(shift.before) → \(shift.after) over \(shift.decisions) decisions")
        }
        for (currency, amount) in report.money.sorted(by: { $0.key < $1.key }) {
            lines.append("  money   \(amount) \(currency) in minor units, paid in flipped decisions")
        }
        return lines
    }

    private static func shown(_ flip: PolicyReplayReport.Flip) -> String {
        "\(flip.id)  \(flip.hook)  tenant \(flip.tenant ?? "–")  user \(flip.user ?? "–")  \(flip.before) → \(flip.after)"
    }

    private static func json(_ flip: PolicyReplayReport.Flip) -> String {
        func text(_ value: String?) -> JSONValue { value.map(JSONValue.string) ?? .null }
        return line([
            "id": .string(flip.id.description), "hook": .string(flip.hook), "tenant": text(flip.tenant), "tier": text(flip.tier),
            "user": text(flip.user), "role": text(flip.role), "before": .string(flip.before.description),
            "after": .string(flip.after.description),
        ])
    }

    // MARK: Reload

    /// Has the server of this data directory read its policies now. Throws every finding where they cannot go live: then it is not asked.
    package func reload(patience: Duration = .seconds(20)) async throws -> [String] {
        let findings = try PolicyDesk(options).check()
        guard findings.isEmpty else { throw OperatorProblem(findings.joined(separator: "\n")) }
        let hash = try bench().hash
        // Whoever asks for it by name wants a set that was rolled back to be tried once more.
        try archive.readmit(hash)
        guard let server = try DataDirectory(options.data, isShared: true).holder, kill(server, SIGHUP) == 0 else {
            throw OperatorProblem("no server holds \(options.data.path): there is nothing to reload; is --data right?")
        }
        let end = options.clock.monotonic() + patience
        while archive.list().first != hash {
            guard options.clock.monotonic() < end else {
                throw OperatorProblem(
                    "process \(server) was told, and \(hash.short) is not live after \(patience.microseconds / 1_000_000) s: see its log, and whether it serves \(options.policies.path)"
                )
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        return ["\(hash.short) is live in process \(server)"]
    }

    // MARK: Promotion

    package func sets() throws -> [String] {
        let bench = try bench()
        let withdrawals = archive.withdrawals()
        var lines = ["\(bench.hash.hex)  \(options.policies.path)"]
        if let withdrawal = withdrawals.last(where: { $0.set == bench.hash.hex }) {
            lines[0] += "  not in force: rolled back to \(withdrawal.back.prefix(12)) at \(withdrawal.time): \(withdrawal.why)"
        }
        return lines
            + archive.list().map { kept in
                let mark = withdrawals.contains { $0.set == kept.hex } ? ", rolled back" : kept == bench.hash ? ", the same" : ""
                return "\(kept.hex)  kept\(mark)"
            }
    }

    package func promote(_ candidate: String, replacing: String) throws -> (lines: [String], isDone: Bool, hasMoved: Bool) {
        let promotion = PolicyPromotion(
            directory: options.policies, archive: archive, definitions: PlatformRegister.hooks, data: PolicyFloor.data,
            verdicts: archive.verdicts)
        do {
            let done = try promotion.promote(try folder(candidate), replacing: replacing)
            return (
                [
                    "\(done.before.short) → \(done.after.short); back: coditectd policy promote \(done.before.short) --replaces \(done.after.short)"
                ], true, false
            )
        } catch let moved as PolicyPromotion.Moved {
            return ([moved.description], false, true)
        } catch let refusal as PolicyRefusal {
            return (refusal.findings.map(\.description), false, false)
        }
    }
}
