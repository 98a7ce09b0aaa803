import Foundation
import HookEngine
import PolicyHost
import Store
import Vocabulary

/// Questions to policies at a desk: one by hand, one from the log, all of the log, two sets side by side.
package struct PolicyQuestions: Sendable {
    let options: PlatformOptions
    var logFolder: URL { options.data.appending(path: "decisions") }
    var archive: PolicyArchive { PolicyArchive(directory: options.data.appending(path: "policies")) }

    package init(_ options: PlatformOptions) { self.options = options }

    /// A folder of policies, or the beginning of the hash of a set that was live.
    package func bench(_ name: String? = nil) throws -> PolicyWorkbench {
        let folder = try name.map(folder) ?? options.policies
        guard FileManager.default.fileExists(atPath: folder.appending(path: "init.lua").path) else {
            throw OperatorProblem("there are no policies in \(folder.path): a folder of policies has an init.lua; give --policies")
        }
        return try PolicyWorkbench(directory: folder, definitions: PlatformRegister.hooks, data: PolicyFloor.data)
    }

    func folder(_ name: String) throws -> URL {
        if FileManager.default.fileExists(atPath: name) { return URL(fileURLWithPath: name) }
        if let kept = archive.folder(name) { return kept }
        let kept = archive.list().prefix(10).map(\.short).joined(separator: ", ")
        throw OperatorProblem(
            "\(name) is neither a folder nor the hash of a set that was live"
                + (kept.isEmpty ? "; none is kept in \(options.data.path)" : "; kept are \(kept)"))
    }

    // MARK: Run

    package func input(_ text: Data, named name: String) throws -> HookValue {
        try text.withUnsafeBytes { bytes in
            do throws(HookValueReader.Fault) {
                return try HookValueReader.read(bytes)
            } catch {
                let before = bytes.prefix(error.offset)
                let line = before.count { $0 == 10 } + 1
                let column = before.reversed().prefix { $0 != 10 }.count + 1
                throw OperatorProblem("\(name):\(line):\(column): \(error.message)")
            }
        }
    }

    package struct Shown: Sendable {
        package var lines: [String]
        package var json: String
    }

    /// `tenant` is a folder of a tenant's own policies, asked last.
    package func run(_ hook: String, _ input: HookValue, tier: String?, tenant: String? = nil, seed: UInt64) throws -> Shown {
        var bench = try bench()
        if let tenant { bench = try bench.joined(TenantFolder.read(tenant)) }
        let run = try bench.run(hook, input, tier: tier, seed: seed, traces: true)
        var lines = ["\(hook): \(run.ruling)", "set \(bench.hash.short), fuel \(run.fuel) of \(bench.fuelLimit), seed \(seed)"]
        lines += steps(run, bench)
        return Shown(lines: lines, json: json(run, bench))
    }

    private func steps(_ run: PolicyWorkbench.Run, _ bench: PolicyWorkbench) -> [String] {
        var lines: [String] = []
        for (index, step) in run.steps.enumerated() {
            let answer = step.answer
            let mark = run.decidedBy == index ? "  <- decided" : ""
            lines += [
                "", "\(answer.layer.rawValue)  \(answer.policy)  \(answer.content.shown)  at \(answer.place)  fuel \(answer.fuel)\(mark)",
            ]
            let source = bench.lines(answer.file, of: answer.layer)
            for line in step.trace.lines.prefix(60) {
                let text = line.line <= source.count ? source[line.line - 1].trimmingCharacters(in: .whitespaces) : ""
                lines.append("  \(String(line.line).leftPadded(4))  \(text)")
                lines += line.conditions.map { "        \($0)" }
            }
            if step.trace.isCut || step.trace.lines.count > 60 { lines.append("        … more ran") }
        }
        if run.steps.isEmpty { lines += ["", "no policy answers \(run.hook) here: the hook's default holds"] }
        if run.decidedBy == nil, !run.steps.isEmpty { lines += ["", "all abstained: the hook's default holds"] }
        return lines
    }

    private func json(_ run: PolicyWorkbench.Run, _ bench: PolicyWorkbench) -> String {
        let steps = run.steps.map { step -> JSONValue in
            [
                "layer": .string(step.answer.layer.rawValue), "policy": .string(step.answer.policy), "at": .string(step.answer.place),
                "answer": .string(step.answer.content.shown), "fuel": .int(Int64(clamping: step.answer.fuel)),
                "lines": .array(step.trace.lines.map { .int(Int64($0.line)) }),
            ]
        }
        let whole: JSONValue = [
            "hook": .string(run.hook), "outcome": .string(run.ruling.kind), "answer": .string(run.ruling.description),
            "policy_hash": .string(bench.hash.hex), "fuel": .int(Int64(clamping: run.fuel)), "steps": .array(steps),
            "decided_by": run.decidedBy.map { .string(run.steps[$0].answer.policy) } ?? .null,
        ]
        return Self.line(whole)
    }

    static func line(_ value: JSONValue) -> String {
        (try? JSONCoding.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    // MARK: Explain

    package func explain(_ id: String) async throws -> Shown {
        guard let recorded = DecisionArchive.find(id, in: logFolder) else {
            throw OperatorProblem("there is no decision \(id) in \(logFolder.path); see coditectd decisions tail")
        }
        let kept = archive.folder(recorded.policyHash)
        var bench = try bench(kept?.path)
        let isSame = bench.hash.hex == recorded.policyHash
        var lines = [
            "\(recorded.time.iso8601)  \(recorded.hook)  \(PolicyRuling(recorded))",
            recorded.policy.map { "decided by \($0) at \(recorded.place ?? "–")" } ?? "no policy decided: the hook's default held",
            "tenant \(recorded.tenant?.description ?? "–")  tier \(recorded.tier ?? "–")  set \(recorded.policyHash.prefix(12))",
        ]
        if !isSame {
            lines.append("that set is not kept; what follows is how \(bench.hash.short) answers the same question")
        }
        if let tenant = recorded.tenant, let hash = recorded.tenantPolicyHash {
            let name = TenantSetName(tenant: tenant, hash: hash)
            if let own = try await bundles([name])[name] {
                bench = try bench.joined(own)
                lines.append("the tenant's own policies \(hash.prefix(12))")
            } else {
                lines.append("the tenant's own policies \(hash.prefix(12)) are not kept; what follows leaves them out")
            }
        }
        guard recorded.wasAsked else {
            lines.append("nobody was asked: \(recorded.reason ?? "–")")
            return Shown(lines: lines, json: Self.line(["id": .string(id), "answer": .string(PolicyRuling(recorded).description)]))
        }
        if !recorded.moduleAnswers.isEmpty {
            lines += ["", "asked before the policies, and not again, because a plugin answered:"]
            lines += recorded.moduleAnswers.map { "  platform  \($0.policy)  \($0.content.shown)  at \($0.place)" }
        }
        let run = try bench.run(recorded.hook, recorded.input, tier: recorded.tier, seed: recorded.seed, traces: true)
        lines += steps(run, bench)
        let flip = bench.flip(recorded.hook, recorded.input, tier: recorded.tier, seed: recorded.seed)
        lines.append("")
        if let flip {
            lines.append("it would be \(flip.ruling), if")
            lines += flip.changes.map { "  \($0.path) were \($0.after) instead of \($0.before)" }
        } else {
            lines.append("no change of one or two fields to a value that the policies know gives another answer")
        }
        let changes: [JSONValue] = (flip?.changes ?? []).map {
            ["path": .string($0.path), "before": .string($0.before), "after": .string($0.after)]
        }
        let whole: JSONValue = [
            "id": .string(id), "hook": .string(recorded.hook), "answer": .string(PolicyRuling(recorded).description),
            "policy": recorded.policy.map(JSONValue.string) ?? .null, "at": recorded.place.map(JSONValue.string) ?? .null,
            "same_set": .bool(isSame), "flips_to": flip.map { .string($0.ruling.description) } ?? .null, "changes": .array(changes),
        ]
        return Shown(lines: lines, json: Self.line(whole))
    }

    // MARK: Diff

    /// `hasFlips`: something would be answered otherwise.
    package func diff(_ before: String, _ after: String) async throws -> (lines: [String], hasFlips: Bool) {
        let old = try bench(before)
        let new = try bench(after)
        var lines = ["\(old.hash.short) → \(new.hash.short)"]
        let changes = PolicyDifference(old, new).changes
        lines += changes.map { "\($0.kind.rightPadded(8))\($0.text)" }
        if changes.isEmpty { lines.append(old.hash == new.hash ? "the sets are the same" : "nothing that decides has changed") }
        let files = DecisionArchive.files(logFolder)
        guard files.isEmpty else {
            let report = try PolicyReplay(new, tenants: try await bundles(DecisionArchive.tenantSets(files))).run(files)
            return (lines + ["", "over \(report.decisions) recorded decisions:"] + Self.summary(report), report.flips > 0)
        }
        var questions: [(hook: String, input: HookValue, tier: String?)] = []
        var seen: Set<String> = []
        for fixture in old.fixtures() + new.fixtures() where seen.insert("\(fixture.hook) \(fixture.input.plainText)").inserted {
            let tiers: [String?] = [nil] + Set(old.tiers + new.tiers).sorted()
            questions += tiers.map { (fixture.hook, fixture.input, $0) }
        }
        let flips = old.flips(new, over: questions)
        lines += ["", "over \(questions.count) questions from the tests beside the policies: \(flips.count) answered otherwise"]
        lines += flips.prefix(20).map { flip in
            "  \(flip.hook)\(flip.tier.map { " in \($0)" } ?? ""): \(flip.before) → \(flip.after)  for \(flip.input.withoutNow)"
        }
        return (lines, !flips.isEmpty)
    }
}

extension String {
    func leftPadded(_ width: Int) -> String { String(repeating: " ", count: max(0, width - count)) + self }
    func rightPadded(_ width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
