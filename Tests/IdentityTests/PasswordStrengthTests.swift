import Testing
import Vocabulary

@testable import Identity

struct PasswordStrengthTests {
    static let strength = PasswordStrength(words: try! CommonWords.shipped())  // the resource is part of the package
    static let ada = PasswordStrength.Person(mail: MailCanon("ada.lovelace@analytical-engines.example"), names: ["Ada", "Lovelace"])

    @Test(
        "common passwords are refused, however decorated",
        arguments: [
            "password1234", "Password1234", "P@ssw0rd1234", "passwordpassword", "password-2024", "Pa$$w0rd2024!", "pass word 123",
            "qwertyuiop12",
            "qwertyuiopasdf", "1qaz2wsx3edc", "1q2w3e4r5t6y", "zaq12wsxcde3", "q1w2e3r4t5y6", "asdfghjkl123", "qwertzuiop123",
            "azertyuiop12",
            "123456789012", "012345678901", "987654321098", "111111111111", "aaaaaaaaaaaa", "abababababab", "abcdefghijkl", "zyxwvutsrqpo",
            "abcabcabcabc", "123123123123", "112233445566", "20240101200", "iloveyou1234", "ILoveYou2024!", "letmein12345", "welcome12345",
            "Welcome2024!!", "Summer2024!!!", "Winter-2025-!", "monkeydragon", "monkey.dragon.99", "superman2024", "batman-robin-1",
            "liverpool2024",
            "changeme1234", "changemenow!", "administrator", "Administrator1", "adminadmin12", "rootroot1234", "test1234test",
            "trustno1trustno1",
            "correcthorsebatterystaple", "thequickbrownfox", "maytheforcebewithyou", "nevergonnagiveyouup", "michael12345", "jennifer1990",
            "passwort12345",
            "schatzimausi", "tequiero-mucho", "!@#$%^&*()_+", "letmeinplease", "iloveyouforever", "x1111111111111", "christmas2024",
            "football!!2023",
            "minecraft12345", "pokemon.pikachu", "555-123-4567", "0123456789012345", String(repeating: "a", count: 900),
            String(repeating: "qwerty", count: 100), "coditect12345", "CoditectCoditect",
        ])
    func common(_ password: String) {
        #expect(Self.strength.weakness(of: password, person: PasswordStrength.Person(mail: nil, names: [])) != nil)
    }

    @Test(
        "the person's own words count for little",
        arguments: [
            "adalovelace1", "ada.lovelace.1815", "lovelaceada12", "AnalyticalEngines", "analytical-engines-1", "ada@analytical-engines",
            "Lovelace!2024",
        ])
    func own(_ password: String) { #expect(Self.strength.weakness(of: password, person: Self.ada) == .common) }

    @Test(
        "what nobody guesses is accepted",
        arguments: [
            "maple-otter-lantern-42", "copper-violin-harbour-7", "correct horse battery staple", "xK9#mQ2$vL7!",
            "the rent is due on thursday again",
            "Donaudampfschiff-Kapitänin", "пароль-из-семи-слов", "七つの海を渡る小さな帆船の物語", "gT7kq-vBn2w-Lp0x", "🦦🪗🍁🏮🧭⛵️🪵🐚🎻🔭🧵🪁",
            "b4c7a1f0d9e2", "velvet thunder cabbage oath",
        ])
    func accepted(_ password: String) { #expect(Self.strength.weakness(of: password, person: Self.ada) == nil) }

    @Test("eleven characters are too few and twelve enough, counted as a person counts")
    func length() {
        let none = PasswordStrength.Person(mail: nil, names: [])
        #expect(Self.strength.weakness(of: "xK9#mQ2$vL7", person: none) == .tooShort)
        #expect(Self.strength.weakness(of: "xK9#mQ2$vL7!", person: none) == nil)
        // Eleven letters with combining marks are eleven characters.
        #expect(Self.strength.weakness(of: "e\u{301}xQ7vLm2kWz", person: none) == .tooShort)
    }

    @Test("1024 bytes are enough and 1025 too many, before anything else looks at them")
    func bytes() {
        let none = PasswordStrength.Person(mail: nil, names: [])
        let line = "seven small boats cross the grey harbour; "
        let long = (0..<24).map { "\($0) \(line)" }.joined()
        #expect(Self.strength.weakness(of: String(long.prefix(1_024)), person: none) == nil)
        #expect(Self.strength.weakness(of: String(long.prefix(1_025)), person: none) == .tooLong)
        #expect(Self.strength.weakness(of: String(repeating: "é", count: 512) + "x", person: none) == .tooLong)
        #expect(Self.strength.weakness(of: String(repeating: "a", count: 10_000_000), person: none) == .tooLong)
    }

    @Test("the list holds what it says: thousands of words, none too long to be refused by itself")
    func list() throws {
        let words = try CommonWords.shipped()
        #expect(words.count > 2_500)
    }

    @Test("a hostile password costs no more than a bounded look")
    func hostile() {
        let none = PasswordStrength.Person(mail: nil, names: (0..<50).map { String(repeating: "a", count: $0 + 1) })
        for text in [String(repeating: "0", count: 64), String(repeating: "a1", count: 32), String(repeating: "!l1|i", count: 12)] {
            _ = Self.strength.weakness(of: text, person: none)
        }
    }
}
