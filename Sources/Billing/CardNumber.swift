import Vocabulary

/// Finds what looks like a payment card's number, so that none is ever stored (PCI DSS 4.0, requirement 3).
package enum CardNumber {
    /// A run of 13 to 19 digits, perhaps parted by single spaces or hyphens, that passes the check of ISO/IEC 7812-1 (Luhn).
    package static func isPresent(in text: String) -> Bool {
        var run: [UInt8] = []
        var isParted = false
        for byte in text.utf8 {
            switch byte {
            case 48...57:
                run.append(byte - 48)
                isParted = false
            case 32 where !run.isEmpty && !isParted, 45 where !run.isEmpty && !isParted: isParted = true
            default:
                if isCard(run) { return true }
                run = []
                isParted = false
            }
        }
        return isCard(run)
    }

    private static func isCard(_ digits: [UInt8]) -> Bool {
        guard (13...19).contains(digits.count), digits.contains(where: { $0 != 0 }) else { return false }
        var sum = 0
        for (place, digit) in digits.reversed().enumerated() {
            let doubled = place.isMultiple(of: 2) ? Int(digit) : Int(digit) * 2
            sum += doubled > 9 ? doubled - 9 : doubled
        }
        return sum.isMultiple(of: 10)
    }

    /// Throws `card_number_refused` if any of the fields holds one.
    package static func refuse(_ fields: [String: String?]) throws(Problem) {
        for (name, text) in fields.sorted(by: { $0.key < $1.key }) {
            if let text, isPresent(in: text) {
                throw BillingProblems.cardNumberRefused.with(["fields": [.object(["field": .string(name)])]])
            }
        }
    }
}
