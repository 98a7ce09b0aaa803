import Foundation
import PluginKit

/// What the conformance kit must know of one policy module.
public protocol PolicyModuleSubject: Sendable {
    /// The module as a server makes it; called several times, as over restarts.
    func module() async throws -> any PolicyModule
    /// What `plugin.json` names.
    var hooks: [String] { get }
    /// Real questions; those of the hooks above must bring about every kind of answer that the module has.
    var questions: [PolicyQuestion] { get }
}

/// Tries a policy module the way a busy server and a later replay do. Every module passes it, shipped or not.
public struct PolicyModuleConformance: Sendable {
    let subject: any PolicyModuleSubject
    public init(_ subject: any PolicyModuleSubject) { self.subject = subject }

    /// Runs every check; the order is stable.
    public func run() async -> [ConformanceFinding] {
        let checks: [(String, @Sendable () async throws -> [String])] = [
            ("the same question has the same answer, again and after a restart", repeated),
            ("no neighbour and no order changes an answer", independent),
            ("many threads at once have the same answers as one", concurrent),
            ("a hook that plugin.json does not name is abstained from", foreign),
            ("a member that a later server adds changes no answer", extended),
            ("a question without its optional members is answered or refused, never worse", bare),
            ("reasons, waits and values are such as a server takes", wellFormed),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do { findings.append(ConformanceFinding(check: name, faults: try await check())) } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
        }
        return findings
    }

    private func repeated() async throws -> [String] {
        let first = try await subject.module()
        let second = try await subject.module()
        return try subject.questions.flatMap { question -> [String] in
            let answer = try first.answer(question)
            for other in [try first.answer(question), try second.answer(question)] where other != answer {
                return ["\(question.hook) was answered \(answer) and then \(other)."]
            }
            return []
        }
    }

    private func independent() async throws -> [String] {
        let alone = try await subject.questions.asyncMap { try await subject.module().answer($0) }
        let module = try await subject.module()
        var faults: [String] = []
        for order in [Array(subject.questions.indices), subject.questions.indices.reversed()] {
            for index in order where try module.answer(subject.questions[index]) != alone[index] {
                faults.append("Question \(index + 1) is answered otherwise after others.")
            }
        }
        return faults
    }

    private func concurrent() async throws -> [String] {
        let module = try await subject.module()
        let questions = subject.questions
        let alone = try questions.map { try module.answer($0) }
        return try await withThrowingTaskGroup(of: [String].self) { group in
            for task in 0..<8 {
                group.addTask {
                    try (0..<200).flatMap { number -> [String] in
                        let index = (number + task) % questions.count
                        return try module.answer(questions[index]) == alone[index] ? [] : ["Question \(index + 1) is answered otherwise."]
                    }
                }
            }
            var faults: Set<String> = []
            for try await found in group { faults.formUnion(found) }
            return faults.sorted()
        }
    }

    private func foreign() async throws -> [String] {
        let module = try await subject.module()
        return try subject.questions.compactMap { question in
            var other = question
            other.hook = "on_conformance"
            let answer = try module.answer(other)
            return answer == .abstain ? nil : "on_conformance was answered \(answer)."
        }
    }

    private func extended() async throws -> [String] {
        let module = try await subject.module()
        return try subject.questions.enumerated().compactMap { index, question in
            var later = question
            later.input = later.input.mapValues { value in
                guard case .object(var members) = value else { return value }
                members["conformance_later"] = "new"
                return .object(members)
            }
            later.input["conformance_later"] = ["more": 1]
            return try module.answer(later) == (try module.answer(question)) ? nil : "Question \(index + 1) is answered otherwise."
        }
    }

    private func bare() async throws -> [String] {
        let module = try await subject.module()
        for question in subject.questions {
            var poor = question
            poor.input = [:]
            _ = try? module.answer(poor)
            for name in question.input.keys {
                poor = question
                poor.input[name] = nil
                _ = try? module.answer(poor)
                guard case .object(let members)? = question.input[name] else { continue }
                for member in members.keys {
                    var fewer = members
                    fewer[member] = nil
                    poor.input[name] = .object(fewer)
                    _ = try? module.answer(poor)
                    for value: JSONValue in [nil, "", -1, true, [], ["x": 1]] {
                        fewer[member] = value
                        poor.input[name] = .object(fewer)
                        _ = try? module.answer(poor)
                    }
                }
            }
        }
        return []
    }

    private func wellFormed() async throws -> [String] {
        let module = try await subject.module()
        var faults = subject.questions.isEmpty ? ["There is no question to try."] : []
        for (index, question) in subject.questions.enumerated() {
            let place = "Question \(index + 1)"
            if !subject.hooks.contains(question.hook) { faults.append("\(place) is of \(question.hook), which hooks does not name.") }
            switch try module.answer(question) {
            case .abstain: break
            case .allow(let terms): faults += Self.faults(.object(terms), place)
            case .deny(let reason, let seconds):
                let signs = Set("abcdefghijklmnopqrstuvwxyz0123456789_".utf8)
                let isReason =
                    (1...64).contains(reason.utf8.count) && reason.utf8.allSatisfy(signs.contains)
                    && (97...122).contains(reason.utf8.first ?? 0)
                if !isReason {
                    faults.append("\(place) is denied for \(reason.debugDescription), which is no reason: a-z, 0-9, _, a letter first.")
                }
                if !(1...31_536_000).contains(seconds ?? 1) {
                    faults.append("\(place) may be asked again after \(seconds ?? 0) s; 1 … 31536000.")
                }
            case .plan(let actions): for action in actions { faults += Self.faults(.object(action.fields), place) }
            @unknown default: faults.append("\(place) is answered with what this kit does not know.")
            }
        }
        return faults
    }

    private static func faults(_ value: JSONValue, _ place: String) -> [String] {
        switch value {
        case .double: ["\(place) is answered with a number with a fraction."]
        case .array(let items): items.flatMap { faults($0, place) }
        case .object(let members): members.values.flatMap { faults($0, place) }
        default: []
        }
    }
}

extension Array {
    fileprivate func asyncMap<Value>(_ work: (Element) async throws -> Value) async rethrows -> [Value] {
        var found: [Value] = []
        for element in self { found.append(try await work(element)) }
        return found
    }
}
