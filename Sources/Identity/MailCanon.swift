import Foundation

/// One mail address in the form under which it is looked up.
///
/// The rule: surrounding white space goes; the text is normalised to NFKC, case-folded, and normalised again; what is left must have one
/// `@`, a local part of 1 to 64 bytes, and a domain of at least two labels, 254 bytes in all. Dots and `+tags` in the local part count: only
/// the receiving server knows what they mean. A domain in Punycode and the same domain in Unicode are two addresses.
/// Mail is always sent to the address that was registered, never to one that merely folds to the same canon.
package struct MailCanon: Hashable, Sendable {
    /// As looked up.
    package let text: String
    /// As typed, without surrounding white space: where mail goes.
    package let display: String

    /// Nil unless `typed` is an address by the rule.
    package init?(_ typed: String) {
        guard typed.utf8.count <= 1_024 else { return nil }
        let display = typed.trimmingCharacters(in: .whitespacesAndNewlines)
        let text = Self.fold(display)
        guard display.utf8.count <= 254, text.utf8.count <= 254, Self.isAddress(text), Self.isAddress(display) else { return nil }
        self.text = text
        self.display = display
    }

    /// NFKC, then full case folding by way of upper case (ß and SS meet), then NFKC.
    package static func fold(_ text: String) -> String {
        text.precomposedStringWithCompatibilityMapping.uppercased().lowercased().precomposedStringWithCompatibilityMapping
    }

    package var local: String { String(text.prefix { $0 != "@" }) }
    package var domain: String { String(text.drop { $0 != "@" }.dropFirst()) }

    private static func isAddress(_ text: String) -> Bool {
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...64).contains(parts[0].utf8.count) else { return false }
        let refused = Set("\"\\()<>[],;:%!`|$&{}".unicodeScalars)
        let isPrintable = text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator, .spaceSeparator: false
            default: !refused.contains(scalar)
            }
        }
        guard isPrintable, !parts[0].hasPrefix("."), !parts[0].hasSuffix("."), !parts[0].contains("..") else { return false }
        let labels = parts[1].split(separator: ".", omittingEmptySubsequences: false)
        return labels.count >= 2
            && labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && !label.hasPrefix("-") && !label.hasSuffix("-")
                    && label.unicodeScalars.allSatisfy {
                        $0 == "-" || $0.properties.isAlphabetic || $0.properties.numericType != nil || isMark($0)
                    }
            }
    }
    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark: true
        default: false
        }
    }
}
