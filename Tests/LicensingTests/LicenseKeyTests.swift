import LicenseFormat
import RoomTesting
import Testing

struct LicenseKeyTests {
    static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    let entropy = SeededEntropy(5)

    @Test("a key has its tier's prefix and groups of four, and as many random bits as the tier's shape has room for")
    func shape() throws {
        let key = LicenseKey.make(prefix: "CODITECT", groups: 5, entropy: entropy)
        #expect(key.wholeMatch(of: /CODITECT(-[0-9A-HJKMNP-TV-Z]{4}){5}/) != nil)
        let pilot = LicenseKey.make(prefix: "CODITECT-PILOT", groups: 3, entropy: entropy)
        #expect(pilot.wholeMatch(of: /CODITECT-PILOT(-[0-9A-HJKMNP-TV-Z]{4}){3}/) != nil)
        #expect(LicenseKey.randomBits(groups: 5) == 95)
        #expect(LicenseKey.randomBits(groups: 3) == 55)
    }

    @Test("however a key is typed, it reads as the same key")
    func lenient() throws {
        for prefix in ["CODITECT", "CODITECT-PILOT", "ACUITY"] {
            for _ in 0..<50 {
                let key = LicenseKey.make(prefix: prefix, groups: 5, entropy: entropy)
                let canonical = try LicenseKey.canonical(key)
                let typed = [
                    key.lowercased(), key.replacing("-", with: ""), key.replacing("-", with: " "), "  \(key)\n",
                    key.replacing("0", with: "O"), key.replacing("0", with: "o"), key.replacing("1", with: "I"),
                    key.replacing("1", with: "l"),
                    key.replacing("-", with: "\u{2013}"), key.replacing("V", with: "u"),
                ]
                for text in typed { #expect(try LicenseKey.canonical(text) == canonical) }
            }
        }
    }

    /// Canonical keys of every shape that a tier can have.
    func keys(_ count: Int) throws -> [[Character]] {
        try (0..<count).map { index in
            let prefix = ["CODITECT", "CODITECT-PILOT", "ACUITY", "A", "X9-Y8-Z7"][index % 5]
            return Array(try LicenseKey.canonical(LicenseKey.make(prefix: prefix, groups: 3 + index % 6, entropy: entropy)))
        }
    }

    @Test("every single wrong sign is found, in the prefix and the check too")
    func substitution() throws {
        for key in try keys(60) {
            for place in key.indices {
                for sign in Self.alphabet where sign != key[place] {
                    var wrong = key
                    wrong[place] = sign
                    #expect(throws: LicenseKey.Fault.check) { try LicenseKey.canonical(String(wrong)) }
                }
            }
        }
    }

    @Test("two neighbours swapped are found, all but those that stand exactly 16 apart in the alphabet")
    func transposition() throws {
        var (found, missed) = (0, 0)
        for key in try keys(400) {
            for place in 0..<(key.count - 1) where key[place] != key[place + 1] {
                var swapped = key
                swapped.swapAt(place, place + 1)
                let values = [place, place + 1].compactMap { Self.alphabet.firstIndex(of: key[$0]) }
                let isFound = (try? LicenseKey.canonical(String(swapped))) == nil
                if isFound {
                    found += 1
                } else {
                    missed += 1
                }
                #expect(isFound == (abs(values[0] - values[1]) != 16), "\(String(key)) at \(place)")
            }
        }
        #expect(found > 20 * missed && missed > 0)
    }

    @Test(
        "what cannot be a key is refused without a look at any table",
        arguments: ["", "CODITECT", "ÄÖÜ-1234-1234", "A$B", String(repeating: "A", count: 500)])
    func garbage(_ text: String) { #expect(throws: LicenseKey.Fault.self) { try LicenseKey.canonical(text) } }

    @Test("keys do not repeat, and each of their random places takes every sign")
    func randomness() throws {
        let keys = (0..<2_000).map { _ in LicenseKey.make(prefix: "C", groups: 5, entropy: entropy) }
        #expect(Set(keys).count == keys.count)
        for place in 2..<6 { #expect(Set(keys.map { Array($0)[place] }).count == 32) }
    }
}
