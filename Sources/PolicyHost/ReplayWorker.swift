import Foundation
import HookEngine
import Synchronization
import Vocabulary

/// Asks a set what was asked of another: by the same bytes, with the same seed. A thread for each core, each with a state of its own.
package struct PolicyReplay: Sendable {
    let bench: PolicyWorkbench
    /// The tenants' own sets that the records name.
    let tenants: [TenantSetName: PolicySet]
    private let isQuick: Bool
    private let chunkBytes: Int

    /// `bundles` are the tenants' own policies, as far as the records name them and they are kept. Throws what does not compile.
    /// Only tests take the general way for every line.
    package init(
        _ bench: PolicyWorkbench, tenants bundles: [TenantSetName: TenantBundle] = [:], isQuick: Bool = true, chunkBytes: Int = 4 << 20
    ) throws(PolicyRefusal) {
        self.bench = bench
        tenants = try TenantPolicyChecker.compile(bundles, definitions: bench.definitions)
        self.isQuick = isQuick
        self.chunkBytes = chunkBytes
    }

    private struct Chunk: Sendable {
        let file: URL
        let range: Range<Int>
    }

    /// Over the files in their order; the report lists in that order, however the threads took turns. Holds a few megabytes a thread.
    package func run(_ files: [URL], threads: Int = Processors.count) throws -> PolicyReplayReport {
        let chunks = try files.flatMap(chunks)
        let next = Atomic<Int>(0)
        let done = Mutex<[Int: PolicyReplayReport]>([:])
        let failed = Mutex<String?>(nil)
        let group = DispatchGroup()
        for _ in 0..<max(1, min(threads, chunks.count)) {
            group.enter()
            let thread = Thread { [bench, tenants, isQuick] in
                defer { group.leave() }
                do {
                    let worker = try ReplayWorker(bench, tenants, isQuick: isQuick)
                    while true {
                        let index = next.add(1, ordering: .relaxed).oldValue
                        guard index < chunks.count else { return }
                        var report = PolicyReplayReport()
                        let bytes = try Self.lines(chunks[index])
                        bytes.withUnsafeBytes { worker.run($0, &report) }
                        done.withLock { $0[index] = report }
                    }
                } catch {
                    failed.withLock { $0 = (error as? LuaFault)?.text ?? "\(error)" }
                }
            }
            thread.stackSize = PolicyThreads.stackBytes
            thread.name = "replay"
            thread.start()
        }
        group.wait()
        if let fault = failed.withLock({ $0 }) {
            throw PolicyRefusal(findings: [PolicyFinding(file: "replay", line: 0, message: fault)])
        }
        let parts = done.withLock { $0 }
        var whole = PolicyReplayReport()
        for index in chunks.indices { if let part = parts[index] { whole.merge(part) } }
        return whole
    }

    private func chunks(_ file: URL) throws -> [Chunk] {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        let size = Int(try handle.seekToEnd())
        return stride(from: 0, to: size, by: chunkBytes).map { Chunk(file: file, range: $0..<min($0 + chunkBytes, size)) }
    }

    /// The lines that begin in the chunk, whole.
    private static func lines(_ chunk: Chunk) throws -> Data {
        let handle = try FileHandle(forReadingFrom: chunk.file)
        defer { try? handle.close() }
        // The byte before tells whether a line begins with the chunk.
        let start = max(0, chunk.range.lowerBound - 1)
        try handle.seek(toOffset: UInt64(start))
        var data = try handle.read(upToCount: chunk.range.upperBound - start) ?? Data()
        if start < chunk.range.lowerBound {
            guard let end = data.firstIndex(of: 10) else { return Data() }
            data = data[(end + 1)...]
        }
        while !data.isEmpty, data.last != 10, let more = try handle.read(upToCount: 64 << 10), !more.isEmpty {
            if let end = more.firstIndex(of: 10) { return data + more[...end] }
            data += more
        }
        return data
    }
}

/// One thread's part: a set and a state of its own, so that counting references to what all share stops nobody.
private final class ReplayWorker {
    private let set: PolicySet
    private let tenants: [TenantSetName: PolicySet]
    private var state: LuaState
    private var tenantStates = TenantStates()
    private let plans: [(name: [UInt8], plan: HookPlan)]
    /// The tier of the line before.
    private var tier: (bytes: [UInt8], name: String)?

    private let isQuick: Bool

    init(_ bench: PolicyWorkbench, _ tenants: [TenantSetName: PolicySet], isQuick: Bool) throws {
        self.isQuick = isQuick
        self.tenants = tenants
        set = try bench.twin()
        state = try set.recipe.make()
        plans = set.hooks.map { (Array($0.utf8), $1) }
    }

    func run(_ bytes: UnsafeRawBufferPointer, _ report: inout PolicyReplayReport) {
        var start = 0
        while start < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
            let length =
                memchr(rest.baseAddress!, 10, rest.count).map { rest.baseAddress!.distance(to: UnsafeRawPointer($0)) } ?? rest.count
            let line = UnsafeRawBufferPointer(rebasing: rest[..<length])
            if !line.isEmpty, !(isQuick && plain(line, &report)) { general(line, &report) }
            start += length + 1
        }
    }

    /// A line as the log writes it, without building what it says. False where it is none, or where a tenant's own policies or a module had
    /// a say.
    private func plain(_ line: UnsafeRawBufferPointer, _ report: inout PolicyReplayReport) -> Bool {
        guard let recorded = RecordedLine(line), !recorded.hasNoAnswer, !recorded.mayHoldModules,
            let plan = plans.first(where: { $0.name.count == recorded.hook.count && $0.name.elementsEqual(recorded.hook) })?.plan,
            plan.encoder.write(recorded: recorded.input, into: &state.input)
        else { return false }
        let evaluation = evaluate { set, state in set.evaluate(plan, tier: name(recorded.tier), seed: recorded.seed, on: state) }
        let (ruling, decidedBy) = evaluation.ruling(plan.definition)
        // Only the whole record knows the plan that was shipped then.
        if ruling.outcome != .shippedPlan {
            let (outcome, terms) = Self.outcome(ruling, shipped: [])
            if recorded.tells(outcome, terms, decidedBy: decidedBy, evaluation.answers, fuel: evaluation.fuel) {
                report.decisions += 1
                report.same += 1
                return true
            }
        }
        guard let whole = try? RecordedDecision(line) else { return false }
        report.decisions += 1
        compare(line, whole, plan, evaluation, &report)
        return true
    }

    private func general(_ line: UnsafeRawBufferPointer, _ report: inout PolicyReplayReport) {
        guard let recorded = try? RecordedDecision(line) else {
            report.torn += 1
            return
        }
        report.decisions += 1
        guard recorded.wasAsked else {
            report.unasked += 1
            return
        }
        guard let plan = set.hooks[recorded.hook] else {
            report.unknown += 1
            return
        }
        var evaluation = PolicySet.Evaluation(modules: recorded.moduleAnswers)
        if !evaluation.isSettled {
            evaluation.append(
                evaluate { set, state in set.evaluate(plan, recorded.input, tier: recorded.tier, seed: recorded.seed, on: state) })
        }
        if let tenant = recorded.tenant, let hash = recorded.tenantPolicyHash, !evaluation.isSettled {
            guard let own = tenants[TenantSetName(tenant: tenant, hash: hash)] else {
                report.gone += 1
                return
            }
            evaluation.append(
                tenantStates.ask(
                    TenantQuestion(tenant: tenant, set: own, hook: recorded.hook, input: recorded.input, seed: recorded.seed)))
        }
        compare(line, recorded, plan, evaluation, &report)
    }

    /// A state that was stopped is thrown away.
    private func evaluate(_ ask: (PolicySet, LuaState) -> (PolicySet.Evaluation, isAlive: Bool)) -> PolicySet.Evaluation {
        let (evaluation, isAlive) = ask(set, state)
        if !isAlive, let fresh = try? set.recipe.make() { state = fresh }
        return evaluation
    }

    private func name(_ bytes: UnsafeRawBufferPointer?) -> String? {
        guard let bytes else { return nil }
        if let tier, tier.bytes.count == bytes.count, tier.bytes.elementsEqual(bytes) { return tier.name }
        let name = String(decoding: bytes, as: UTF8.self)
        tier = (Array(bytes), name)
        return name
    }

    private func compare(
        _ line: UnsafeRawBufferPointer, _ recorded: RecordedDecision, _ plan: HookPlan, _ evaluation: PolicySet.Evaluation,
        _ report: inout PolicyReplayReport
    ) {
        let (ruling, decidedBy) = evaluation.ruling(plan.definition)
        let again = record(recorded, plan, evaluation, ruling, decidedBy)
        if again.line().withBytes({ $0.count == line.count + 1 && memcmp($0.baseAddress!, line.baseAddress!, line.count) == 0 }) {
            report.same += 1
            return
        }
        let before = PolicyRuling(recorded)
        if recorded.policyHash == set.hash.hex { report.broken.append(recorded.id) }
        guard before != ruling else {
            report.equal += 1
            return
        }
        let flip = PolicyReplayReport.Flip(
            id: recorded.id, hook: recorded.hook, tenant: recorded.tenant?.description, tier: recorded.tier,
            user: recorded.input["user"]?["id"]?.string, role: recorded.input["user"]?["role"]?.string, before: before, after: ruling)
        report.add(flip, recorded.input)
    }

    /// What the log would hold had this set been asked; what does not depend on the set is as it was.
    private func record(
        _ recorded: RecordedDecision, _ plan: HookPlan, _ evaluation: PolicySet.Evaluation, _ ruling: PolicyRuling, _ decidedBy: Int?
    ) -> DecisionRecord {
        let (outcome, terms) = Self.outcome(ruling, shipped: recorded.actions)
        return DecisionRecord(
            id: recorded.id, time: recorded.time, hook: recorded.hook, kind: plan.definition.kind,
            subject: HookSubject(tenant: recorded.tenant, tier: recorded.tier, requestID: recorded.requestID, now: recorded.time),
            input: recorded.input, answers: evaluation.answers, outcome: outcome, terms: terms, decidedBy: decidedBy,
            policyHash: recorded.policyHash, tenantPolicyHash: recorded.tenantPolicyHash, seed: recorded.seed, fuel: evaluation.fuel,
            microseconds: recorded.microseconds)
    }

    private static func outcome(_ ruling: PolicyRuling, shipped: [PlannedAction]) -> (DecisionRecord.Outcome, [(String, HookValue)]) {
        switch ruling.outcome {
        case .allow(let given): (.allow, given.map { ($0.name, $0.value) })
        case .deny(let reason, let seconds): (.deny(reason: reason, retryAfterSeconds: seconds), [])
        case .plan(let actions): (.plan(actions), [])
        case .shippedPlan: (.plan(shipped), [])
        case .failed(let why): (.failed(why), [])
        }
    }
}
