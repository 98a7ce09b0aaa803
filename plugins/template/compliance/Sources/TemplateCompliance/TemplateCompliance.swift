import Foundation
import PluginKit

/// A compliance framework of two controls: one that is judged from evidence, one that a person must judge.
public struct TemplateCompliance: Plugin {
    public let id = "template"
    public init() {}

    public func make(_ context: PluginContext) async throws -> any PluginInstance {
        Instance(framework: TemplateControls(excused: Int(try context.settings.integer("excused"))))
    }
}

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(TemplateCompliance()) }

private struct Instance: PluginInstance {
    let framework: TemplateControls
    var complianceFramework: (any ComplianceFramework)? { framework }
}

/// Pure: the question holds all that an answer may rest on, the time too. What it cannot judge it says so, with what is missing; it never passes
/// for want of evidence.
struct TemplateControls: ComplianceFramework {
    let excused: Int
    private static let need = EvidenceNeed(.secondFactor, maxAgeSeconds: 2 * 86_400)

    // An id is never given to another control; new ones are added.
    let about = FrameworkDescription(
        id: "template_controls", title: "Template controls", edition: "2027",
        controls: [
            ControlDescription(
                id: "T-1", title: "A second factor for those who may do much",
                criterion: "Everybody with an elevated role has a second factor, but for those whom the settings excuse.", reads: [need]),
            ControlDescription(
                id: "T-2", title: "People know the rules", criterion: "Everybody who works here was taught the rules in the last year.",
                missing: ["a list of who was taught when"]),
        ])

    func evaluate(_ question: ControlQuestion) throws -> ControlAnswer {
        guard let control = about.controls.first(where: { $0.id == question.control }) else {
            throw PluginRefusal("there is no such control")
        }
        guard !control.reads.isEmpty else {
            return ControlAnswer(.notEvaluated, reason: "No evidence of this is collected.", missing: control.missing)
        }
        do throws(Unusable) { return try judge(try Self.believable(question)) } catch {
            return ControlAnswer(.notEvaluated, reason: error.reason, missing: ["\(Self.need.kind.rawValue): \(error.missing)"])
        }
    }

    private func judge(_ piece: Evidence) throws(Unusable) -> ControlAnswer {
        guard let facts = try? piece.read(SecondFactorFacts.self) else {
            throw Unusable("The evidence cannot be read.", missing: "a piece with every member of its version")
        }
        guard facts.elevated > 0, (0...facts.elevated).contains(facts.withSecondFactor), facts.elevated <= 1_000_000_000 else {
            throw Unusable("The evidence cannot be true: its counts do not agree.", missing: "a piece that agrees with itself")
        }
        let without = facts.elevated - (facts.isSupported ? facts.withSecondFactor : 0)
        let names = ["is_supported", "elevated", "with_second_factor"]
        return ControlAnswer(
            without <= excused && facts.isSupported ? .pass : .fail,
            reason: "\(without) of \(facts.elevated) people with elevated roles are without a second factor; \(excused) are excused.",
            facts: names.map { RelevantFact(piece.kind, $0, piece.facts[$0] ?? .null) })
    }

    /// The one piece that can be believed.
    private static func believable(_ question: ControlQuestion) throws(Unusable) -> Evidence {
        let all = question.evidence.filter { $0.kind == need.kind }
        guard let piece = all.first else { throw Unusable("There is no evidence.", missing: "a piece about second factors") }
        guard all.allSatisfy({ $0.digest == piece.digest }) else {
            throw Unusable("Pieces of evidence say different things.", missing: "one piece, or pieces that agree")
        }
        guard piece.version == need.version else {
            throw Unusable("The evidence is of a version that is not known here.", missing: "a piece of version \(need.version)")
        }
        guard piece.scope == question.scope || piece.scope == "platform" else {
            throw Unusable("The evidence is of another tenant.", missing: "a piece of this tenant")
        }
        guard let size = try? piece.facts.encoded().count, size <= Evidence.maxBytes, piece.isIntact else {
            throw Unusable("The evidence was changed after its digest was made, or is too large.", missing: "a piece whose digest holds")
        }
        guard piece.collectedAt <= question.now, question.now - piece.collectedAt <= .seconds(need.maxAgeSeconds) else {
            throw Unusable("The evidence is too old, or of a time to come.", missing: "a piece of the last \(need.maxAgeSeconds) s")
        }
        return piece
    }
}

/// Evidence that proves nothing, and what would be needed in its place.
private struct Unusable: Error {
    let reason: String
    let missing: String
    init(_ reason: String, missing: String) {
        self.reason = reason
        self.missing = missing
    }
}
