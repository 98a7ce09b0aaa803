/// Text that others wrote, made fit for a terminal and a log.
package enum Shown {
    /// One line: control signs, line ends and marks that turn the direction of text as `\\u001b`; what is longer is cut.
    package static func line(_ text: String, most: Int = .max) -> String {
        if text.utf8.count <= most, text.utf8.allSatisfy({ (32...126).contains($0) }) { return text }
        let safe = safe(text, keepsLines: false)
        return safe.count > most ? safe.prefix(most) + "…" : safe
    }

    /// The same, with its lines and tabs.
    package static func lines(_ text: String) -> String {
        text.utf8.allSatisfy { (32...126).contains($0) || $0 == 10 } ? text : safe(text, keepsLines: true)
    }

    private static func safe(_ text: String, keepsLines: Bool) -> String {
        var safe = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if keepsLines, scalar == "\n" || scalar == "\t" {
                safe.append(scalar)
            } else if steers(scalar) {
                let digits = String(scalar.value, radix: 16)
                safe.append(contentsOf: ("\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits).unicodeScalars)
            } else {
                safe.append(scalar)
            }
        }
        return String(safe)
    }

    private static func steers(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0..<32, 127..<160, 0x061C, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF, 0xFFF9...0xFFFB, 0xE0000...0xE007F: true
        default: false
        }
    }
}
