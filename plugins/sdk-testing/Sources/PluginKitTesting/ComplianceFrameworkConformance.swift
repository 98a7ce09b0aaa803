import Foundation
import PluginKit

/// What the conformance kit must know of one compliance framework.
public protocol ComplianceFrameworkSubject: Sendable {
    /// The framework as a server makes it; called several times, as over restarts.
    func framework() async throws -> any ComplianceFramework
    /// Every control id that was ever published, in order. Nil: the framework's own are taken as they are.
    var published: [String]? { get }
}

/// Tries a compliance framework the way missing, old, forged and hostile evidence does. Every framework passes it, shipped or not.
///
/// The evidence is the kit's own: `ComplianceSamples` holds a world in which all is well, and worlds in which one thing is not.
public struct ComplianceFrameworkConformance: Sendable {
    let subject: any ComplianceFrameworkSubject
    static let now = ComplianceSamples.now
    static let scope = ComplianceSamples.scope
    public init(_ subject: any ComplianceFrameworkSubject) { self.subject = subject }

    /// Runs every check; the order is stable.
    public func run() async -> [ConformanceFinding] {
        let checks: [(String, @Sendable (Trial) throws -> [String])] = [
            ("ids are unique, well formed and those that were published", Self.ids),
            ("every control says what must hold, what it reads or what is missing", Self.described),
            ("the same evidence has the same answer, again and after a restart", Self.repeated),
            ("neither the order of the evidence nor of the questions changes an answer", Self.ordered),
            ("where all is well, what reads evidence passes", Self.sound),
            ("where one thing is wrong, what reads it fails", Self.wrong),
            ("missing evidence never passes, and is named", Self.absent),
            ("stale evidence and evidence of tomorrow never pass; evidence just fresh enough does", Self.aged),
            ("two pieces of a kind that say different things never pass", Self.contradictory),
            ("evidence of a version that the control does not declare never passes", Self.versions),
            ("evidence of another tenant never passes", Self.foreign),
            ("evidence that was changed after its digest never passes", Self.forged),
            ("kinds that the control does not declare change no answer", Self.undeclared),
            ("huge and hostile facts are answered, and never pass", Self.hostile),
            ("facts that cannot be true together never pass", Self.impossible),
            ("reasons, facts and what is missing are such as a server takes", Self.wellFormed),
            ("a control that is not there is not judged", Self.unknown),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do {
                let trial = Trial(first: try await subject.framework(), second: try await subject.framework(), published: subject.published)
                findings.append(ConformanceFinding(check: name, faults: Array(try check(trial).prefix(20))))
            } catch { findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."])) }
        }
        return findings
    }

    struct Trial {
        let first: any ComplianceFramework
        let second: any ComplianceFramework
        let published: [String]?
        var controls: [ControlDescription] { first.about.controls }
        /// Those that read evidence of kinds that the kit knows.
        var judged: [ControlDescription] {
            controls.filter { control in
                !control.reads.isEmpty && control.reads.allSatisfy { EvidenceKind.all.contains($0.kind) && $0.version == 1 }
            }
        }
        func ask(_ control: ControlDescription, _ evidence: [Evidence], restarted: Bool = false) throws -> ControlAnswer {
            try (restarted ? second : first).evaluate(
                ControlQuestion(
                    control: control.id, scope: ComplianceFrameworkConformance.scope, now: ComplianceFrameworkConformance.now,
                    evidence: evidence))
        }
        /// Each control with each kind that it reads and the other evidence of the sound world.
        func each(_ work: (ControlDescription, EvidenceNeed, Evidence, [Evidence]) throws -> [String]) throws -> [String] {
            let world = try ComplianceSamples.sound()
            return try judged.flatMap { control in
                try control.reads.flatMap { need -> [String] in
                    guard let piece = world.first(where: { $0.kind == need.kind }) else { return [] }
                    return try work(control, need, piece, world.filter { $0.kind != need.kind })
                }
            }
        }
        func passed(_ control: ControlDescription, _ evidence: [Evidence], _ what: String) throws -> [String] {
            try ask(control, evidence).outcome == .pass ? ["\(control.id) passes with \(what)."] : []
        }
    }

    // MARK: - What it declares

    private static func ids(_ trial: Trial) throws -> [String] {
        let ids = trial.controls.map(\.id)
        var faults = ids.isEmpty || ids.count > 500 ? ["It has \(ids.count) controls; 1 … 500."] : []
        faults += Set(ids.filter { id in ids.filter { $0 == id }.count > 1 }).sorted().map { "The id \($0) is given twice." }
        for id in ids where !isID(id, 32, ".-") { faults.append("\(id.debugDescription) is no control's id: letters, digits, . and -.") }
        if !isID(trial.first.about.id, 40, "_") || trial.first.about.id != trial.first.about.id.lowercased() {
            faults.append("\(trial.first.about.id.debugDescription) is no framework's id: a-z, 0-9 and _.")
        }
        if trial.first.about != trial.second.about { faults.append("It describes itself otherwise after a restart.") }
        if let published = trial.published, published != ids {
            let gone = published.filter { !ids.contains($0) }
            faults.append("The ids are not those that were published\(gone.isEmpty ? "." : ": \(gone.joined(separator: ", ")) are gone.")")
        }
        return faults
    }

    private static func isID(_ text: String, _ length: Int, _ more: String) -> Bool {
        (1...length).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) || more.utf8.contains($0)
            }
    }

    private static func described(_ trial: Trial) throws -> [String] {
        trial.controls.flatMap { control -> [String] in
            var faults: [String] = []
            if control.title.isEmpty || control.title.count > 200 { faults.append("\(control.id) has no title of 1 … 200 signs.") }
            if control.criterion.isEmpty || control.criterion.count > 1_000 {
                faults.append("\(control.id) does not say what must hold, in 1 … 1000 signs.")
            }
            if control.reads.isEmpty, control.missing.isEmpty {
                faults.append("\(control.id) reads no evidence and does not say what is missing.")
            }
            if control.reads.count > 8 || control.missing.count > 20 { faults.append("\(control.id) reads or misses too much: 8, 20.") }
            if Set(control.reads.map(\.kind)).count != control.reads.count { faults.append("\(control.id) declares a kind twice.") }
            for need in control.reads where !(60...31_622_400).contains(need.maxAgeSeconds) {
                faults.append("\(control.id) takes \(need.kind.rawValue) that is \(need.maxAgeSeconds) s old; 60 … 31622400.")
            }
            return faults
        }
    }

    // MARK: - Purity

    private static func repeated(_ trial: Trial) throws -> [String] {
        try (ComplianceSamples.worlds()).flatMap { name, world -> [String] in
            try trial.controls.compactMap { control in
                let answer = try trial.ask(control, world)
                let same = try answer == trial.ask(control, world) && answer == trial.ask(control, world, restarted: true)
                return same ? nil : "\(control.id) is answered otherwise the second time, \(name)."
            }
        }
    }

    private static func ordered(_ trial: Trial) throws -> [String] {
        try (ComplianceSamples.worlds()).flatMap { name, world -> [String] in
            let forwards = try trial.controls.map { try trial.ask($0, world) }
            let backwards = try trial.controls.reversed().map { try trial.ask($0, world.reversed(), restarted: true) }
            return zip(trial.controls, zip(forwards, backwards.reversed())).compactMap { control, answers in
                answers.0 == answers.1 ? nil : "\(control.id) is answered otherwise in another order, \(name)."
            }
        }
    }

    // MARK: - Judgement

    private static func sound(_ trial: Trial) throws -> [String] {
        let world = try ComplianceSamples.sound()
        return try trial.judged.compactMap { control in
            let answer = try trial.ask(control, world)
            return answer.outcome == .pass ? nil : "\(control.id) is \(answer.outcome.rawValue) though all is well: \(answer.reason)"
        }
    }

    private static func wrong(_ trial: Trial) throws -> [String] {
        try ComplianceSamples.faults().flatMap { name, piece -> [String] in
            let world = try ComplianceSamples.sound().filter { $0.kind != piece.kind } + [piece]
            return try trial.judged.filter { $0.reads.contains { $0.kind == piece.kind } }.compactMap { control in
                let answer = try trial.ask(control, world)
                return answer.outcome == .fail ? nil : "\(control.id) is \(answer.outcome.rawValue) where \(name)."
            }
        }
    }

    private static func absent(_ trial: Trial) throws -> [String] {
        try trial.each { control, need, _, others in
            let answer = try trial.ask(control, others)
            guard answer.outcome == .notEvaluated else {
                return ["\(control.id) is \(answer.outcome.rawValue) without \(need.kind.rawValue)."]
            }
            let isNamed = answer.missing.contains { $0.contains(need.kind.rawValue) }
            return isNamed ? [] : ["\(control.id) does not name \(need.kind.rawValue) as missing."]
        } + trial.controls.flatMap { try trial.passed($0, [], "no evidence at all") }
    }

    private static func aged(_ trial: Trial) throws -> [String] {
        try trial.each { control, need, piece, others in
            let span = Duration.seconds(need.maxAgeSeconds)
            var faults = try trial.passed(
                control, others + [ComplianceSamples.dated(piece, now - span - .seconds(1))], "\(need.kind.rawValue) a second too old")
            faults += try trial.passed(
                control, others + [ComplianceSamples.dated(piece, now + .days(1))], "\(need.kind.rawValue) of tomorrow")
            if try trial.ask(control, others + [ComplianceSamples.dated(piece, now - span)]).outcome != .pass {
                faults.append("\(control.id) does not pass with \(need.kind.rawValue) exactly as old as it may be.")
            }
            return faults
        }
    }

    private static func contradictory(_ trial: Trial) throws -> [String] {
        try trial.each { control, need, piece, others in
            try ComplianceSamples.faults().filter { $0.1.kind == need.kind }.flatMap { name, fault in
                try trial.passed(control, others + [piece, fault], "a second \(need.kind.rawValue) in which \(name)")
                    + trial.passed(control, [fault, piece] + others, "a first \(need.kind.rawValue) in which \(name)")
            }
        }
    }

    private static func versions(_ trial: Trial) throws -> [String] {
        try trial.each { control, need, piece, others in
            try [0, 2, -1, Int.max].flatMap { version in
                let other = try ComplianceSamples.made(piece, version: version)
                return try trial.passed(control, others + [other], "\(need.kind.rawValue) of version \(version)")
            }
        }
    }

    private static func foreign(_ trial: Trial) throws -> [String] {
        try trial.each { control, need, piece, others in
            let other = try ComplianceSamples.made(piece, scope: "0193aaaa-0000-7000-8000-00000000ffff")
            return try trial.passed(control, others + [other], "\(need.kind.rawValue) of another tenant")
        }
    }

    private static func forged(_ trial: Trial) throws -> [String] {
        try trial.each { control, need, piece, others in
            guard let bad = try ComplianceSamples.faults().first(where: { $0.1.kind == need.kind })?.1 else { return [] }
            var forged = bad
            forged.facts = piece.facts
            var undated = ComplianceSamples.dated(piece, now - .days(400))
            undated.collectedAt = now
            return try trial.passed(control, others + [forged], "facts of \(need.kind.rawValue) that were changed")
                + trial.passed(control, others + [undated], "a date of \(need.kind.rawValue) that was changed")
        }
    }

    private static func undeclared(_ trial: Trial) throws -> [String] {
        let world = try ComplianceSamples.sound()
        return try trial.controls.flatMap { control -> [String] in
            let kinds = Set(control.reads.map(\.kind))
            let own = world.filter { kinds.contains($0.kind) }
            let answer = try trial.ask(control, own)
            let strange = try Evidence(
                EvidenceKind(rawValue: "conformance_later"), scope: scope, source: "conformance", collectedAt: now, facts: ["more": 1])
            let bad = try ComplianceSamples.faults().map(\.1).filter { !kinds.contains($0.kind) }
            return try [("other kinds", world), ("an unknown kind", own + [strange]), ("other kinds that are bad", own + bad)].compactMap {
                try trial.ask(control, $0.1) == answer ? nil : "\(control.id) is answered otherwise beside \($0.0)."
            }
        }
    }

    private static func hostile(_ trial: Trial) throws -> [String] {
        try trial.each { control, need, piece, others in
            try ComplianceSamples.hostile(piece).flatMap { name, hostile -> [String] in
                do { return try trial.passed(control, others + [hostile], "\(need.kind.rawValue) with \(name)") } catch {
                    return ["\(control.id) throws \(error) at \(need.kind.rawValue) with \(name)."]
                }
            }
        }
    }

    private static func impossible(_ trial: Trial) throws -> [String] {
        try ComplianceSamples.impossible().flatMap { name, piece -> [String] in
            let world = try ComplianceSamples.sound().filter { $0.kind != piece.kind } + [piece]
            return try trial.judged.filter { $0.reads.contains { $0.kind == piece.kind } }.flatMap {
                try trial.passed($0, world, "facts in which \(name)")
            }
        }
    }

    // MARK: - Answers

    private static func wellFormed(_ trial: Trial) throws -> [String] {
        try (ComplianceSamples.worlds()).flatMap { name, world -> [String] in
            try trial.controls.flatMap { control -> [String] in
                let answer = try trial.ask(control, world)
                let place = "\(control.id), \(name),"
                var faults: [String] = []
                if !(1...500).contains(answer.reason.count) || answer.reason.unicodeScalars.contains(where: { $0.value < 32 }) {
                    faults.append("\(place) gives no reason of 1 … 500 signs on one line.")
                }
                if answer.missing.count > 20 || answer.facts.count > 50 { faults.append("\(place) says more than a server takes: 20, 50.") }
                if answer.outcome == .notEvaluated {
                    if answer.missing.isEmpty { faults.append("\(place) is not evaluated and does not say what is missing.") }
                } else if answer.facts.isEmpty {
                    faults.append("\(place) is \(answer.outcome.rawValue) and names no fact that it rests on.")
                }
                let declared = Set(control.reads.map(\.kind))
                for fact in answer.facts {
                    let isThere =
                        declared.contains(fact.kind)
                        && world.contains { $0.kind == fact.kind && ($0.facts[fact.name] ?? .null) == fact.value }
                    if !isThere { faults.append("\(place) rests on \(fact.kind.rawValue).\(fact.name), which does not stand there so.") }
                }
                return faults
            }
        }
    }

    private static func unknown(_ trial: Trial) throws -> [String] {
        let world = try ComplianceSamples.sound()
        return ["", "CONFORMANCE-1", String(repeating: "x", count: 10_000)].compactMap { id in
            let answer = try? trial.first.evaluate(ControlQuestion(control: id, scope: scope, now: now, evidence: world))
            guard let answer, answer.outcome != .notEvaluated else { return nil }
            return "A control that is not there is \(answer.outcome.rawValue)."
        }
    }
}
