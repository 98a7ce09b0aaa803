import Foundation
import Vocabulary

/// Which passwords are refused: too short, too long, or made of what guessers try first.
package struct PasswordStrength: Sendable {
    package static let minCharacters = 12
    package static let maxBytes = 1_024
    /// What a password must cost to guess, in the parts of `cost`.
    static let threshold = 5

    package enum Weakness: String, Sendable, Hashable {
        case tooShort = "must have at least 12 characters"
        case tooLong = "must have at most 1024 bytes"
        case common = "is a common password, or made of common words, names, keyboard runs and digits"
    }

    private let words: CommonWords
    package init(words: CommonWords) { self.words = words }

    /// What is known about the person, whose own words count least.
    package struct Person: Sendable {
        var words: [[Unicode.Scalar]] = []
        package init(mail: MailCanon?, names: [String]) {
            var texts = names + ["coditect"]
            if let mail { texts += [mail.text, mail.local] + mail.domain.split(separator: ".").map(String.init) }
            for text in texts {
                let folded = MailCanon.fold(text)
                let parts = folded.unicodeScalars.split { !$0.properties.isAlphabetic && $0.properties.numericType == nil }
                for part in [folded.unicodeScalars[...]] + parts where part.count >= 3 { words.append(Array(part)) }
            }
        }
    }

    package func weakness(of password: String, person: Person) -> Weakness? {
        // Cheap bounds first: nothing below sees more than the limit.
        guard password.utf8.count <= Self.maxBytes else { return .tooLong }
        guard password.precomposedStringWithCanonicalMapping.count >= Self.minCharacters else { return .tooShort }
        let signs = Array(MailCanon.fold(password).unicodeScalars)
        return isCommon(signs, person.words) ? .common : nil
    }

    /// Throws `password_weak` naming the field.
    package func check(_ password: String, person: Person, field: String = "password") throws(Problem) {
        guard let weakness = weakness(of: password, person: person) else { return }
        throw IdentityProblems.passwordWeak.with(["fields": [["field": .string(field), "rule": .string(weakness.rawValue)]]])
    }

    private func isCommon(_ signs: [Unicode.Scalar], _ own: [[Unicode.Scalar]]) -> Bool {
        guard signs.count <= 64 else { return (1...16).contains { Self.hasPeriod($0, signs) } }
        return cost(signs, own) <= Self.threshold
    }

    /// The cheapest way to put the text together: a listed word costs 2; a word about the person, a run, up to four digits, or a
    /// repetition of something before costs 1; a separator nothing; another sign 1, another letter 2.
    func cost(_ signs: [Unicode.Scalar], _ own: [[Unicode.Scalar]] = []) -> Int {
        var best = [Int](repeating: .max, count: signs.count + 1)
        best[0] = 0
        for start in 0..<signs.count {
            let base = best[start]
            func reach(_ end: Int, _ price: Int) { best[end] = min(best[end], base + price) }
            reach(start + 1, Self.price(of: signs[start]))
            for end in words.ends(in: signs, from: start) { reach(end, 2) }
            for word in own where start + word.count <= signs.count && signs[start..<(start + word.count)].elementsEqual(word) {
                reach(start + word.count, 1)
            }
            if let end = KeyboardWalk.end(in: signs, from: start) { for stop in (start + 3)...end { reach(stop, 1) } }
            var digits = start
            while digits < min(signs.count, start + 4), Self.isDigit(signs[digits]) {
                digits += 1
                reach(digits, 1)
            }
            for earlier in 0..<start {
                var length = 0
                while start + length < signs.count, signs[start + length] == signs[earlier + length] { length += 1 }
                if length >= 3 { for stop in (start + 3)...(start + length) { reach(stop, 1) } }
            }
        }
        return best[signs.count]
    }

    private static func isDigit(_ sign: Unicode.Scalar) -> Bool { ("0"..."9").contains(sign) }
    private static func price(of sign: Unicode.Scalar) -> Int {
        if " -_.,".unicodeScalars.contains(sign) { return 0 }
        if isDigit(sign) { return 1 }
        return sign.properties.isAlphabetic ? 2 : 1
    }
    private static func hasPeriod(_ period: Int, _ signs: [Unicode.Scalar]) -> Bool {
        zip(signs, signs.dropFirst(period)).allSatisfy { $0 == $1 }
    }
}
