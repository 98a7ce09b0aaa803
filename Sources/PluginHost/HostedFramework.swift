import Foundation
import PluginKit
import Synchronization

/// A compliance framework as the house sees it: what it reads is what its controls declare, what it answers is checked, and one that fails,
/// hangs or dies harms nothing but its own answer.
package struct HostedFramework: Sendable {
    /// Id of the plugin.
    package let plugin: String
    package let version: String
    /// SHA-256 of the library.
    package let digest: String
    package let about: FrameworkDescription
    /// For conformance: asked as it is, on the caller's thread.
    package let framework: any ComplianceFramework
    private let gate: WorkGate
    private let services: any PluginHostServices
    private let threads: LostThreads
    private let controls: [String: ControlDescription]

    static let patience = Duration.seconds(10)
    /// So many threads may hang in a framework before it is asked nothing any more.
    static let mostLost = 2

    init(
        _ manifest: PluginManifest, digest: String, framework: any ComplianceFramework, gate: WorkGate, services: any PluginHostServices
    ) {
        plugin = manifest.id
        version = manifest.version
        self.digest = digest
        self.framework = framework
        about = framework.about
        self.gate = gate
        self.services = services
        threads = LostThreads()
        controls = Dictionary(about.controls.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// What no server takes of a framework's description; nil where it is in order.
    var fault: String? {
        let isName = { (text: String, length: Int, more: String) in
            (1...length).contains(text.utf8.count)
                && text.utf8.allSatisfy {
                    (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || more.utf8.contains($0)
                }
        }
        if !isName(about.id, 40, "_") { return "its id is not of a-z, 0-9 and _." }
        if !(1...200).contains(about.title.count) || about.edition.count > 200 { return "its title or edition is missing or too long." }
        if !(1...500).contains(about.controls.count) { return "it has \(about.controls.count) controls; 1 … 500." }
        if controls.count != about.controls.count { return "an id of a control is given twice." }
        for control in about.controls {
            guard isName(control.id, 32, ".-") else { return "an id of a control is not of letters, digits, . and -." }
            guard (1...200).contains(control.title.count), (1...1_000).contains(control.criterion.count), control.reads.count <= 8,
                control.missing.count <= 20, control.missing.allSatisfy({ $0.count <= 300 }),
                control.reads.allSatisfy({ (1...64).contains($0.kind.rawValue.utf8.count) && (60...31_622_400).contains($0.maxAgeSeconds) })
            else { return "control \(control.id) has a text, a list or an age that is out of bounds." }
        }
        return nil
    }

    /// Throws `FrameworkFailure` for whatever the framework does that is no answer; `CancellationError` and nothing else besides.
    package func answer(_ question: ControlQuestion) async throws -> ControlAnswer {
        guard let control = controls[question.control] else { throw FrameworkFailure("it has no control \(question.control)") }
        var question = question
        let declared = Set(control.reads.map(\.kind))
        question.evidence.removeAll { !declared.contains($0.kind) }
        guard threads.count < Self.mostLost else { throw FrameworkFailure("it has not come back from earlier questions") }
        let answer: ControlAnswer
        let errand = Errand(threads)
        do {
            answer = try await bounded(Self.patience, HostClock(services: services)) { [question] in try await asked(question, errand) }
        } catch is TooSlow {
            errand.giveUp()
            throw FrameworkFailure("it did not answer within \(Self.patience.wholeSeconds) s")
        } catch let failure as FrameworkFailure {
            throw failure
        } catch let cancelled as CancellationError {
            throw cancelled
        } catch {
            throw FrameworkFailure(String("\(error)".prefix(300)))
        }
        try check(answer, declared)
        return answer
    }

    /// On a thread of its own: one that never comes back is nobody else's.
    private func asked(_ question: ControlQuestion, _ errand: Errand) async throws -> ControlAnswer {
        try await withCheckedThrowingContinuation { continuation in
            guard gate.enter() else { return continuation.resume(throwing: FrameworkFailure("it is stopping")) }
            let thread = Thread { [gate, framework] in
                let result = Result { try framework.evaluate(question) }
                errand.comeBack()
                gate.leave()
                continuation.resume(with: result)
            }
            thread.stackSize = 2_097_152
            thread.name = "framework"
            thread.start()
        }
    }

    private func check(_ answer: ControlAnswer, _ declared: Set<EvidenceKind>) throws(FrameworkFailure) {
        let isLine = { (text: String, length: Int) in
            (1...length).contains(text.count) && text.utf8.count <= 4 * length && !text.unicodeScalars.contains { $0.value < 32 }
        }
        guard isLine(answer.reason, 500) else { throw FrameworkFailure("it gave no reason of 1 … 500 signs") }
        guard answer.missing.count <= 20, answer.missing.allSatisfy({ isLine($0, 300) }) else {
            throw FrameworkFailure("it says more to be missing than an answer may hold")
        }
        guard answer.facts.count <= 50,
            answer.facts.allSatisfy({ declared.contains($0.kind) && isLine($0.name, 64) }),
            (try? JSONValue.array(answer.facts.map(\.value)).encoded().count) ?? .max <= Evidence.maxBytes
        else { throw FrameworkFailure("it rests on facts that it does not declare, or on too many") }
        guard answer.outcome == .notEvaluated || !answer.facts.isEmpty else {
            throw FrameworkFailure("it says \(answer.outcome.rawValue) and names no fact")
        }
    }
}

/// The framework did not answer. Kept apart from its own "not evaluated".
package struct FrameworkFailure: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Threads that are in a framework and that nobody waits for any more.
private final class LostThreads: Sendable {
    private let state = Mutex(0)
    var count: Int { state.withLock { $0 } }
    func add(_ number: Int) { state.withLock { $0 += number } }
}

/// One thread's way into a framework and back.
private final class Errand: Sendable {
    private enum State { case away, lost, back }
    private let state = Mutex(State.away)
    private let threads: LostThreads
    init(_ threads: LostThreads) { self.threads = threads }

    func giveUp() {
        state.withLock { state in
            guard state == .away else { return }
            state = .lost
            threads.add(1)
        }
    }
    func comeBack() {
        state.withLock { state in
            if state == .lost { threads.add(-1) }
            state = .back
        }
    }
}
