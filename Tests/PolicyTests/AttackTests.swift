import Foundation
import PolicyHost
import Testing

/// One hostile file and what it may come to.
struct Attack: Sendable, CustomTestStringConvertible {
    let name: String
    let parts: [String]
    let expected: [String]
    let within: Double
    var testDescription: String { name }

    init?(_ url: URL) {
        guard let text = try? String(contentsOf: url, encoding: .isoLatin1) else { return nil }
        func head(_ name: String) -> String? {
            text.split(separator: "\n").first { $0.hasPrefix("-- \(name):") }.map {
                $0.dropFirst(name.count + 4).trimmingCharacters(in: .whitespaces)
            }
        }
        guard let expect = head("expect"), let within = head("within").flatMap(Double.init) else { return nil }
        self.name = url.lastPathComponent
        self.expected = expect.prefix { $0 != "(" && $0 != " " }.split(separator: "|").map(String.init)
        self.within = within
        if text.contains("--@@ generate ((((") {
            parts = ["return " + String(repeating: "(", count: 5_000) + "1" + String(repeating: ")", count: 5_000)]
        } else if text.contains("--@@ generate bytecode") {
            parts = ["\u{1b}LuaT\0\u{19}\u{93}\r\n\u{1a}\n"]
        } else {
            parts = text.components(separatedBy: "--@@ tenant B")
        }
    }

    static func all(in directory: URL) -> [Attack] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        return names.filter { $0.hasSuffix(".lua") }.sorted().compactMap { Attack(directory.appending(path: $0)) }
    }

    /// The figures that the heads of the files assume.
    static let limits = LuaLimits(fuel: 20_000_000, cpu: .milliseconds(50))

    struct Outcome: Sendable {
        var outcome: String
        var detail: String
        var milliseconds: Double
        /// Answers of the parts after the first, as somebody else in the same process.
        var neighbours: [String]
    }

    /// On a thread of 512 KB, in processor time, so that a busy machine changes no outcome.
    func run(sameState: Bool) -> Outcome {
        let box = OutcomeBox()
        let done = DispatchSemaphore(value: 0)
        let thread = Thread {
            box.outcome = try? attempt(sameState: sameState)
            done.signal()
        }
        thread.stackSize = 512 << 10
        thread.start()
        done.wait()
        return box.outcome ?? Outcome(outcome: "NO STATE", detail: "", milliseconds: 0, neighbours: [])
    }

    private func attempt(sameState: Bool) throws -> Outcome {
        var state = try LuaState(Self.limits)
        let began = processorTime()
        var (outcome, detail) = Self.judge(state, parts[0])
        let spent = processorTime() - began
        var neighbours: [String] = []
        for part in parts.dropFirst() {
            if !sameState || outcome.hasPrefix("KILLED") { state = try LuaState(Self.limits) }
            let (second, answer) = Self.judge(state, part)
            neighbours.append("\(second) \(answer)")
        }
        if detail.hasPrefix("ESCAPED") { outcome = "ESCAPED" }
        if neighbours.contains(where: { $0.contains("ESCAPED") }) {
            outcome = "ESCAPED"
            detail = neighbours.joined()
        }
        return Outcome(outcome: outcome, detail: detail, milliseconds: spent, neighbours: neighbours)
    }

    private static func judge(_ state: LuaState, _ source: String) -> (String, String) {
        do {
            let unit = try state.load(latin: source)
            let answer = try state.run(unit, entry: "on_call", number: 1)
            return ("OK", answer?.string ?? "no text")
        } catch {
            switch error.kind {
            case .error: return ("ERR", error.message)
            case .cpu: return ("KILLED_CPU", "")
            case .memory: return ("KILLED_MEM", "")
            case .cancelled, .dead: return ("DEAD", "")
            }
        }
    }
}

private final class OutcomeBox: @unchecked Sendable {  // written before the signal, read after the wait
    var outcome: Attack.Outcome?
}

private func processorTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1_000 + Double(time.tv_nsec) / 1_000_000
}

extension LuaState {
    /// Files hold bytes that are no UTF-8 on purpose; each byte was read as one scalar.
    fileprivate func load(latin source: String) throws(LuaFault) -> UInt32 {
        try load(bytes: source.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
    }
}

@Suite("hostile policies are contained")
struct AttackTests {
    @Test("each file of the own set has its outcome", arguments: Attack.all(in: Checkout.ownAttacks), [true, false])
    func own(attack: Attack, sameState: Bool) { judge(attack, attack.run(sameState: sameState)) }

    @Test(
        "each file of the shared set has its outcome",
        .enabled(if: FileManager.default.fileExists(atPath: Checkout.sharedAttacks.path), "the shared set is not beside this checkout"),
        arguments: Attack.all(in: Checkout.sharedAttacks), [true, false])
    func shared(attack: Attack, sameState: Bool) { judge(attack, attack.run(sameState: sameState)) }

    @Test("the own set is complete")
    func count() { #expect(Attack.all(in: Checkout.ownAttacks).count == 17) }

    private func judge(_ attack: Attack, _ outcome: Attack.Outcome) {
        #expect(attack.expected.contains(outcome.outcome), "\(attack.name): \(outcome.outcome) \(outcome.detail)")
        #expect(outcome.milliseconds <= attack.within, "\(attack.name) took \(outcome.milliseconds) ms")
        for neighbour in outcome.neighbours { #expect(neighbour.hasPrefix("OK"), "\(attack.name): the neighbour saw \(neighbour)") }
    }
}
