import Foundation
import PluginKit
import Store
import Vocabulary

/// Collecting evidence and asking frameworks: on a schedule, and when somebody asks.
extension Compliance {
    static let dailyKind = "compliance.daily"
    static let runKind = "compliance.run"
    private static let scheduleReason = KernelReason("compliance.schedule")

    struct Order: Codable, Sendable {
        let owner: TenantID
        let framework: String
        let cause: String
    }

    // MARK: - Jobs

    package func jobs() -> [JobHandler] {
        [
            JobHandler(Self.dailyKind) { delivery, act in try await daily(delivery, act) },
            JobHandler(Self.runKind) { delivery, act in
                let order = try delivery.decode(Order.self)
                let scope = ComplianceScope(order.owner)
                guard frameworks.offered.contains(where: { $0.about.id == order.framework }) else { return }
                _ = try await run(order.framework, scope, cause: ComplianceRun.Cause(rawValue: order.cause) ?? .schedule, act, delivery)
                try await forget(scope, act)
            },
        ]
    }

    package func start(_ act: Act) async throws {
        try await store.kernel(Self.scheduleReason) { db in try next(at: act.now + .minutes(5), db, act) }
    }

    /// Every tenant with a journal, and the platform; each in a job of its own, so that one that fails is tried again by itself.
    private func daily(_ delivery: Delivery, _ act: Act) async throws {
        let owners = try await JournalKeeper(store: store).owners()
        let offered = frameworks.offered.map(\.about.id)
        try await store.kernel(Self.scheduleReason) { db in
            for owner in owners {
                for framework in offered { try Self.enqueue(framework, TenantID(owner), .schedule, "\(delivery.id)", db, act) }
            }
            // Settled first: until then the next one is this one.
            try db.settle(delivery)
            try next(at: act.now + .hours(Int64(floor.settings[ComplianceSettings.everyHours])), db, act)
        }
    }

    private func next(at moment: Timestamp, _ db: any KernelScope, _ act: Act) throws {
        try db.enqueue(try NewJob(Self.dailyKind, key: "all", tenant: nil, payload: [String](), runAt: moment), act)
    }
    private static func enqueue(
        _ framework: String, _ owner: TenantID, _ cause: ComplianceRun.Cause, _ key: String, _ db: any KernelScope, _ act: Act
    ) throws {
        let order = Order(owner: owner, framework: framework, cause: cause.rawValue)
        try db.enqueue(
            try NewJob(
                runKind, key: "\(framework):\(owner):\(key)", tenant: owner.uuid == JournalRecord.platform ? nil : owner, payload: order,
                runAt: act.now), act)
    }

    /// Has whoever runs this store's jobs do it.
    package func order(_ framework: String, _ scope: ComplianceScope, _ act: Act) async throws {
        let key = UUID().uuidString
        try await store.kernel(Self.scheduleReason) { db in try Self.enqueue(framework, scope.owner, .request, key, db, act) }
    }

    private func forget(_ scope: ComplianceScope, _ act: Act) async throws {
        let before = act.now - .days(Int64(floor.settings[ComplianceSettings.retentionDays]))
        try await store.kernel(Self.scheduleReason) { db in
            guard try !db.isHeld(scope.owner) else { return }
            try db.within(scope.owner) { db in try db.run(ComplianceTable.forget, before, 100) }
        }
    }

    // MARK: - A run

    /// Refused where the last one is hardly over: a run reads the whole journal.
    package func runNow(_ framework: String, _ scope: ComplianceScope, _ act: Act) async throws -> ComplianceRun {
        _ = try offered(framework)
        if let claimed = try await store.recalled(act, as: ComplianceRun.ID.self) { return try await read(claimed, scope) }
        let pause = Duration.seconds(Int64(floor.settings[ComplianceSettings.pauseSeconds]))
        if let last = try await lastRun(framework, scope), last.at <= act.now, act.now < last.at + pause {
            throw ComplianceProblems.tooSoon.retry(afterSeconds: (last.at + pause - act.now).wholeSeconds + 1)
        }
        return try await run(framework, scope, cause: .request, act)
    }

    @discardableResult
    func run(
        _ id: String, _ scope: ComplianceScope, cause: ComplianceRun.Cause, _ act: Act, _ delivery: Delivery? = nil
    ) async throws -> ComplianceRun {
        let framework = try offered(id)
        let evidence = await collect(scope, for: framework.about, act)
        var results: [ControlResult] = []
        for control in framework.about.controls {
            results.append(await judge(control, of: framework, scope, evidence, act))
        }
        let run = ComplianceRun(
            id: floor.entropy.id(act.now), framework: id, edition: framework.about.edition,
            plugin: "\(framework.plugin) \(framework.version) \(framework.digest.prefix(12))", cause: cause, at: act.now,
            passed: results.count { $0.outcome == .pass }, failed: results.count { $0.outcome == .fail },
            notEvaluated: results.count { $0.outcome == .notEvaluated }, broken: results.count { $0.saidBy == .failure })
        try await keep(run, results, evidence, scope, act, delivery)
        return run
    }

    /// One control, asked once. A framework that fails is told apart from one that says that it cannot judge.
    private func judge(
        _ control: ControlDescription, of framework: OfferedFramework, _ scope: ComplianceScope, _ evidence: [Evidence], _ act: Act
    ) async -> ControlResult {
        let declared = Set(control.reads.map(\.kind))
        let question = ControlQuestion(
            control: control.id, scope: scope.name, now: act.now, evidence: evidence.filter { declared.contains($0.kind) && $0.isIntact })
        do {
            let answer = try await frameworks.answer(question, by: framework.about.id)
            return ControlResult(
                control: control.id, outcome: answer.outcome, saidBy: .framework, reason: answer.reason, facts: answer.facts,
                missing: answer.missing, since: act.now)
        } catch {
            let words = "\(error)".unicodeScalars.map { $0.value < 32 ? " " : String($0) }.joined()
            return ControlResult(
                control: control.id, outcome: .notEvaluated, saidBy: .failure, reason: "The framework failed: \(words.prefix(300)).",
                facts: [],
                missing: ["an answer of the framework"], since: act.now)
        }
    }

    /// Only what some control reads. A source that fails is left out: missing evidence never passes.
    func collect(_ scope: ComplianceScope, for framework: FrameworkDescription, _ act: Act) async -> [Evidence] {
        let wanted = Set(framework.controls.flatMap { $0.reads.map(\.kind) })
        var evidence: [Evidence] = []
        for source in sources where wanted.contains(source.kind) {
            do {
                guard let facts = try await source.facts(scope, now: act.now) else { continue }
                let piece = try Evidence(
                    source.kind, scope: source.scope(of: scope).name, source: source.name, collectedAt: act.now, facts: facts)
                guard try piece.facts.encoded().count <= Evidence.maxBytes else { throw StoreFault.corrupt("evidence too large") }
                evidence.append(piece)
            } catch { floor.log("compliance: no evidence of \(source.kind.rawValue) for \(scope.name): \(error)") }
        }
        return evidence
    }

    private func keep(
        _ run: ComplianceRun, _ results: [ControlResult], _ evidence: [Evidence], _ scope: ComplianceScope, _ act: Act,
        _ delivery: Delivery?
    ) async throws {
        try await store.kernel(KernelReason("compliance.keep")) { db in
            try db.within(scope.owner) { db in
                _ = try db.once(act) { run.id }
                let before = try db.row(ComplianceTable.lastRun, run.framework).map { try Self.run($0).id }
                let known = try before.map { try db.rows(ComplianceTable.results, $0).map(Self.result) } ?? []
                let sinces = Dictionary(known.map { ($0.control, $0) }, uniquingKeysWith: { first, _ in first })
                try db.run(
                    ComplianceTable.insertRun, db.tenant, run.id, run.framework, run.edition, run.plugin, run.cause.rawValue, run.at,
                    run.passed, run.failed, run.notEvaluated, run.broken)
                for piece in evidence {
                    try db.run(
                        ComplianceTable.insertEvidence, db.tenant, run.id, piece.kind.rawValue,
                        String(decoding: try JSONCoding.encode(piece), as: UTF8.self))
                }
                for (place, result) in results.enumerated() {
                    let same = sinces[result.control].flatMap {
                        $0.outcome == result.outcome && $0.saidBy == result.saidBy ? $0.since : nil
                    }
                    try db.run(
                        ComplianceTable.insertResult, db.tenant, run.id, place, run.framework, result.control, result.outcome.rawValue,
                        result.saidBy.rawValue, result.reason, try Self.details(result), same ?? run.at)
                }
                try db.journal(
                    JournalEntry(
                        "compliance.evaluated", subject: "compliance_run:\(run.id)",
                        details: [
                            "framework": .string(run.framework), "cause": .string(run.cause.rawValue), "passed": .int(Int64(run.passed)),
                            "failed": .int(Int64(run.failed)), "not_evaluated": .int(Int64(run.notEvaluated)),
                            "broken": .int(Int64(run.broken)),
                        ]), act)
            }
            if let delivery { try db.settle(delivery) }
        }
    }

    // MARK: - Rows

    private static func details(_ result: ControlResult) throws -> String {
        let facts = result.facts.map { fact -> JSONValue in
            ["kind": .string(fact.kind.rawValue), "name": .string(fact.name), "value": fact.value]
        }
        let text = String(
            decoding: try JSONCoding.encode(
                JSONValue.object(["facts": .array(facts), "missing": .array(result.missing.map { .string($0) })])), as: UTF8.self)
        // Facts are bounded one by one and together; a list of leavers stands in the evidence in any case.
        guard text.utf8.count > 16_384 else { return text }
        return String(
            decoding: try JSONCoding.encode(
                JSONValue.object([
                    "facts": .array(
                        result.facts.map { ["kind": .string($0.kind.rawValue), "name": .string($0.name), "value": "see the evidence"] }),
                    "missing": .array(result.missing.map { .string($0) }),
                ])), as: UTF8.self)
    }

    static func result(_ row: Row) throws -> ControlResult {
        struct Details: Codable {
            var facts: [RelevantFact]
            var missing: [String]
        }
        let details = try JSONCoding.decode(Details.self, Data(try row.text(4).utf8))
        return ControlResult(
            control: try row.text(0), outcome: ControlOutcome(rawValue: try row.text(1)) ?? .notEvaluated,
            saidBy: ControlResult.Voice(rawValue: try row.text(2)) ?? .failure, reason: try row.text(3), facts: details.facts,
            missing: details.missing, since: try row.time(5))
    }
    static func run(_ row: Row) throws -> ComplianceRun {
        ComplianceRun(
            id: try row.id(0), framework: try row.text(1), edition: try row.text(2), plugin: try row.text(3),
            cause: ComplianceRun.Cause(rawValue: try row.text(4)) ?? .schedule, at: try row.time(5), passed: try row.int(6),
            failed: try row.int(7), notEvaluated: try row.int(8), broken: try row.int(9))
    }
}
