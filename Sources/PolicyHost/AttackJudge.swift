import Foundation
import HookEngine
import LuaShim
import Vocabulary

/// Runs a hostile file in this process, as the engine would run a policy, and says what came of it. A file that gets through may take the
/// process along: `AttackCells` keeps one for it.
package struct AttackJudge: Sendable {
    /// The stack that a policy is promised, to the byte.
    package static let stackBytes = Int(LUASHIM_STACK_BYTES)
    /// What the heads of the files assume.
    package static let usual = LuaLimits(fuel: 20_000_000, cpu: .milliseconds(50))
    /// For a look at a starting server: loops end sooner, everything else is as usual.
    package static let small = LuaLimits(fuel: 1_000_000, cpu: .milliseconds(50), allocationBytes: 64 << 20)

    private let limits: LuaLimits
    private let stackBytes: Int
    /// Bits of `LuaShimDefences.h`; anything but 0 is for tests.
    private let missing: UInt64

    package init(_ limits: LuaLimits = usual, stackBytes: Int = stackBytes, missing: UInt64 = 0) {
        self.limits = limits
        self.stackBytes = stackBytes
        self.missing = missing
    }

    package func judge(_ file: HostileFile) -> AttackVerdict {
        let result = PolicyThreads.runAndWait(stackBytes: stackBytes) { [self] in
            Result { () throws(LuaFault) in try trial(file) }
        }
        switch result {
        case .success(let verdict): return verdict
        case .failure(let fault): return AttackVerdict(file.name, "HUNG", 0, "no state could be made: \(fault.text)")
        }
    }

    // MARK: One file

    private struct Answer: Equatable {
        var outcome: String
        var text: String
        var fuel: UInt64
        var wasKilled: Bool { outcome.hasPrefix("KILLED") }
        var escaped: Bool { outcome == "OK" && text.hasPrefix("ESCAPED") }
    }

    private func trial(_ file: HostileFile) throws(LuaFault) -> AttackVerdict {
        let neighbours = Array(file.parts.dropFirst())
        var before: [Answer] = []
        for part in neighbours { before.append(ask(try cell(file), part, file)) }

        let state = try cell(file)
        let began = ContinuousClock.now
        let (unit, loaded) = load(state, file.parts[0])
        let first = loaded ?? call(state, unit, file)
        let milliseconds = Double((ContinuousClock.now - began).microseconds) / 1_000
        func verdict(_ outcome: String, _ detail: String) -> AttackVerdict { AttackVerdict(file.name, outcome, milliseconds, detail) }

        if first.escaped { return verdict("ESCAPED", first.text) }
        if first.wasKilled {
            let again = call(state, unit, file)
            guard again.outcome == "DEAD" else { return verdict("REVIVED", "a killed state answered \(again.outcome) \(again.text)") }
        } else if loaded == nil {
            // Calls like the first, in its state and in another: what one leaves behind shows, and what differs between two runs.
            for other in [state, state, try cell(file)] {
                let again = other === state ? call(state, unit, file) : ask(other, file.parts[0], file)
                if again.escaped { return verdict("ESCAPED", again.text) }
                if again.wasKilled { break }
                guard again == first else {
                    return verdict("DRIFTED", "a second run gave \(Self.shown(again)), the first \(Self.shown(first))")
                }
            }
        }
        for (number, part) in neighbours.enumerated() {
            // In the same state where it lives, which is closer than tenants ever are, and in one of its own.
            for place in [state, try cell(file)] {
                let after = ask(place, part, file)
                if after.outcome == "DEAD" { continue }
                if after.escaped || after != before[number] { return verdict("ESCAPED", "the neighbour saw \(Self.shown(after))") }
            }
        }
        return verdict(first.outcome, first.text)
    }

    private static func shown(_ answer: Answer) -> String { "\(answer.outcome) \(answer.text) (fuel \(answer.fuel))" }

    /// A state like those of a tenant: actions, the shapes of a hook.
    private func cell(_ file: HostileFile) throws(LuaFault) -> LuaState {
        let state = try LuaState(file.limits(limits), missing: missing)
        try state.actions(["send_mail"])
        for shape in Self.shapes { try state.shape(shape.label, shape.names) }
        return state
    }

    private func load(_ state: LuaState, _ source: [UInt8]) -> (unit: UInt32, fault: Answer?) {
        do throws(LuaFault) {
            let unit = try state.load(bytes: source)
            try state.bind(unit, settings: Self.settings, data: Self.settings)
            return (unit, nil)
        } catch {
            return (0, Self.answer(error, state))
        }
    }

    private func ask(_ state: LuaState, _ source: [UInt8], _ file: HostileFile) -> Answer {
        let (unit, fault) = load(state, source)
        return fault ?? call(state, unit, file)
    }

    private func call(_ state: LuaState, _ unit: UInt32, _ file: HostileFile) -> Answer {
        do throws(LuaFault) {
            if file.entry == "on_call" {
                state.input.bytes.removeAll()
                state.input.int(1)
            } else if !Self.encoder.write(Self.request, into: &state.input) {
                return Answer(outcome: "ERR", text: "the judge's own request does not fit its hook", fuel: 0)
            }
            let answer = try state.run(unit, entry: file.entry)
            return Answer(outcome: "OK", text: answer.string ?? answer.plain?.shown ?? answer.kindName, fuel: state.fuel)
        } catch {
            return Self.answer(error, state)
        }
    }

    private static func answer(_ fault: LuaFault, _ state: LuaState) -> Answer {
        let place = fault.line > 0 ? "line \(fault.line): " : ""
        switch fault.kind {
        case .error: return Answer(outcome: "ERR", text: place + fault.message, fuel: state.fuel)
        case .cpu: return Answer(outcome: "KILLED_CPU", text: place + fault.text, fuel: 0)
        case .memory: return Answer(outcome: "KILLED_MEM", text: place + fault.text, fuel: 0)
        case .cancelled, .dead: return Answer(outcome: "DEAD", text: fault.text, fuel: 0)
        }
    }

    // MARK: What a policy is given

    private static let settings = HookValue.object([
        ("limit", .int(5)), ("list", .list([.int(3), .int(1), .int(2)])), ("nested", .object([("limit", .int(5))])),
    ])
    private static let hook = HookDefinition(
        "on_seat_request", kind: .decide, summary: "What hostile files are asked.",
        input: [
            HookField("user", .object([HookField("id", .string, "Handle"), HookField("role", .string, "Role")]), "Who"),
            HookField("seats", .integer, "How many"),
        ], whenAllAbstain: .deny)
    private static let (encoder, shapes): (InputEncoder, [(label: String, names: [String])]) = {
        var shapes: [(label: String, names: [String])] = []
        return (InputEncoder(hook, &shapes), shapes)
    }()
    private static let request: HookValue = {
        let now = Timestamp(seconds: 1_767_614_400)
        return .object([
            ("user", .object([("id", .string("u1")), ("role", .string("developer"))])), ("seats", .int(5)),
            (CommonInput.now.name, CivilTime(now).input(epochSeconds: now.seconds)),
        ])
    }()
}
