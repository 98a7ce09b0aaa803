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

    @Test("every single wrong sign is found, in the prefix too")
    func substitution() throws {
        let key = try LicenseKey.canonical(LicenseKey.make(prefix: "CODITECT", groups: 5, entropy: entropy))
        for place in key.indices {
            for sign in Self.alphabet where sign != key[place] {
                var wrong = key
                wrong.replaceSubrange(place...place, with: [sign])
                #expect(throws: LicenseKey.Fault.check) { try LicenseKey.canonical(wrong) }
            }
        }
    }

    @Test("two neighbours swapped are found unless they stand 16 apart in the alphabet")
    func transposition() throws {
        var found = 0
        var missed = 0
        for _ in 0..<200 {
            let signs = Array(try LicenseKey.canonical(LicenseKey.make(prefix: "CODITECT", groups: 5, entropy: entropy)))
            for place in 0..<(signs.count - 1) where signs[place] != signs[place + 1] {
                var swapped = signs
                swapped.swapAt(place, place + 1)
                let values = [place, place + 1].compactMap { Self.alphabet.firstIndex(of: signs[$0]) }
                let distance = values[0] - values[1]
                if (try? LicenseKey.canonical(String(swapped))) == nil {
                    found += 1
                } else {
                    missed += 1
                    #expect(abs(distance) == 16)
                }
            }
        }
        #expect(found > 20 * missed)
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
