import Foundation
import Synchronization

/// Whether the library that this process is linked with contains hostile policies. What tenants upload waits until it is known to.
package enum Containment: Sendable, Hashable {
    case pending
    case contained(files: Int)
    /// What got through, a line each.
    case breached([String])

    package var isContained: Bool { if case .contained = self { true } else { false } }

    /// For health pages and the log.
    package var text: String {
        switch self {
        case .pending: "the hostile policies are still being tried"
        case .contained(let files): "\(files) hostile policies contained"
        case .breached(let lines): "not contained: \(lines.joined(separator: "; "))"
        }
    }
}

/// Tries the shipped attack set once and keeps what came of it.
package final class ContainmentWatch: Sendable {
    private struct Found {
        var state = Containment.pending
        var waiting: [CheckedContinuation<Containment, Never>] = []
    }
    private let found = Mutex(Found())

    package init() {}

    package var state: Containment { found.withLock { $0.state } }

    /// Returns once it is known. Whoever asks has a time-out of its own.
    package func settled() async -> Containment {
        let state = state
        if state != .pending { return state }
        return await withCheckedContinuation { continuation in
            let known = found.withLock { found -> Containment? in
                if found.state != .pending { return found.state }
                found.waiting.append(continuation)
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
    }

    /// For tests and for a machine whose containment was tried elsewhere.
    package func settle(_ state: Containment) {
        let waiting = found.withLock { found in
            found.state = state
            defer { found.waiting = [] }
            return found.waiting
        }
        for continuation in waiting { continuation.resume(returning: state) }
    }

    /// In a child process where a program is given, else in this one; on a thread of its own, with small budgets. Time is not judged: a
    /// starting machine is busy.
    @discardableResult package func run(_ program: AttackCells.Program?) async -> Containment {
        let files = HostileFile.shipped()
        let state = await withCheckedContinuation { continuation in
            let thread = Thread { continuation.resume(returning: Self.examine(files, program)) }
            thread.name = "containment"
            thread.start()
        }
        settle(state)
        return state
    }

    private static func examine(_ files: [HostileFile], _ program: AttackCells.Program?) -> Containment {
        guard !files.isEmpty else { return .breached(["the shipped attack set is missing"]) }
        let known = Dictionary(uniqueKeysWithValues: files.map { ($0.name, $0) })
        var breaches: [String] = []
        var seen = 0
        func look(_ verdict: AttackVerdict) {
            seen += 1
            let isRight = known[verdict.file]?.expected.contains(verdict.outcome) ?? false
            if !isRight { breaches.append("\(verdict.file): \(verdict.outcome) \(verdict.detail)") }
        }
        if let program {
            do { try AttackCells(program).judge(files.map(\.name), tell: look) } catch { return .breached(["no child process: \(error)"]) }
        } else {
            let judge = AttackJudge(AttackJudge.small)
            for file in files { look(judge.judge(file)) }
        }
        if seen != files.count { breaches.append("\(seen) of \(files.count) files were judged") }
        return breaches.isEmpty ? .contained(files: files.count) : .breached(breaches)
    }
}
