import Foundation
import Vocabulary

/// A name that people read: trimmed, printable, not empty, bounded.
package enum TenantName {
    package static func read(_ text: String, _ field: String, max: Int = 200) throws(Problem) -> String {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !trimmed.isEmpty else { throw CommonProblems.invalid(field, "must not be empty") }
        guard trimmed.unicodeScalars.count <= max else { throw CommonProblems.invalid(field, "must have at most \(max) characters") }
        let isPrintable = trimmed.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: false
            case .format: scalar == "\u{200C}" || scalar == "\u{200D}"
            default: true
            }
        }
        guard isPrintable else { throw CommonProblems.invalid(field, "must be printable") }
        return trimmed
    }

    /// Whether a mail to a stranger may print it: short, and nothing that passes for a link, an address or markup.
    package static func isPlain(_ text: String) -> Bool {
        let signs = Array(text.unicodeScalars)
        guard (1...60).contains(signs.count), !signs.contains(where: { "/:@<>%\\".unicodeScalars.contains($0) }) else { return false }
        return !signs.indices.dropFirst().dropLast().contains { index in
            signs[index] == "." && signs[index - 1].properties.isAlphabetic && signs[index + 1].properties.isAlphabetic
        }
    }
}
