import Foundation
import PluginKit

/// Evidence that proves nothing, and what would be needed in its place.
struct Unusable: Error {
    let reason: String
    let missing: String
    init(_ reason: String, missing: String) {
        self.reason = reason
        self.missing = missing
    }
}

/// Finds the one piece of evidence of a kind that can be believed, or says why there is none.
struct Reading {
    let question: ControlQuestion
    init(_ question: ControlQuestion) { self.question = question }

    func piece(_ need: EvidenceNeed) throws(Unusable) -> Evidence {
        let kind = need.kind.rawValue
        let all = question.evidence.filter { $0.kind == need.kind }
        guard let piece = all.first else {
            throw Unusable("There is no evidence of \(kind).", missing: "a piece of version \(need.version)")
        }
        guard all.allSatisfy({ $0.digest == piece.digest }) else {
            throw Unusable(
                "There are \(all.count) pieces of \(kind) that say different things.", missing: "one piece, or pieces that agree")
        }
        guard piece.version == need.version else {
            throw Unusable(
                "The evidence of \(kind) is of a version that this framework does not know.", missing: "a piece of version \(need.version)")
        }
        guard piece.scope == question.scope || piece.scope == "platform" else {
            throw Unusable("The evidence of \(kind) is of another tenant.", missing: "a piece of this tenant")
        }
        guard let size = try? piece.facts.encoded().count, size <= Evidence.maxBytes else {
            throw Unusable(
                "The evidence of \(kind) is larger than evidence may be.", missing: "a piece of at most \(Evidence.maxBytes) bytes")
        }
        guard piece.isIntact else {
            throw Unusable("The evidence of \(kind) was changed after its digest was made.", missing: "a piece whose digest holds")
        }
        let age = question.now - piece.collectedAt
        guard piece.collectedAt <= question.now + .minutes(5) else {
            throw Unusable("The evidence of \(kind) is dated later than now.", missing: "a piece collected by now")
        }
        guard age <= .seconds(need.maxAgeSeconds) else {
            throw Unusable(
                "The evidence of \(kind) is of \(piece.collectedAt.iso8601), which is too old.",
                missing: "a piece of the last \(need.maxAgeSeconds) s")
        }
        return piece
    }
}
