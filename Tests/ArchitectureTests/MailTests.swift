import Foundation
import Testing

/// Mails are asked for by name, from rooms that do not know the room which writes them: what a compiler would say, these tests say.
@Suite("Mails by name")
struct MailTests {
    /// Where a name of a template is written: the ways of the rooms, and of the policies.
    private static func asked(_ file: House.SourceFile) -> Set<String> {
        var found: Set<String> = []
        for way in [
            #/\bmail\(\s*"([a-z_]+)"/#, #/\bmail: "([a-z_]+)"/#, #/\btemplate: "([a-z_]+)"/#, #/\btemplate = "([a-z_]+)"/#,
            #/"(usage_[a-z]+)" : "usage_/#, #/: "(usage_[a-z]+)"\n/#,
        ] { found.formUnion(file.text.matches(of: way).map { String($0.1) }) }
        if file.path == "Sources/Billing/BillingMails.swift" {
            found.formUnion(file.text.matches(of: #/static let \w+ = "([a-z_]+)"/#).map { String($0.1) })
        }
        if file.path == "Sources/Offboarding/OffboardingHooks.swift" {
            found.formUnion(file.text.matches(of: #/mailing\("(offboarding_[a-z_]+)"\)/#).map { String($0.1) })
        }
        if file.target == "DataRequests" {
            found.formUnion(
                file.text.matches(of: #/(?:mailing|send)\("(data_[a-z_]+)"|doneMail = "([a-z_]+)"/#).map { String($0.1 ?? $0.2 ?? "") })
        }
        if file.path == "Sources/Identity/Secrets.swift" {
            found.formUnion(file.text.matches(of: #/case \w+ = "((?:verify|reset)_[a-z]+)"/#).map { String($0.1) })
        }
        return found
    }

    @Test("every mail that a room or a shipped policy asks for has its words")
    func known() throws {
        let words = try House.text("Sources/Notifications/MailTemplates.swift")
        let written = Set(words.matches(of: #/\n        "([a-z_]+)": MailTemplate\(/#).map { String($0.1) })
        var askers: [String: Set<String>] = [:]
        for file in try House.files("Sources", endings: ["swift"]) + House.files("policies", endings: ["lua"]) {
            let names = Self.asked(file)
            if !names.isEmpty { askers[file.target, default: []].formUnion(names) }
            for name in names { #expect(written.contains(name), "\(file.path) asks for the mail '\(name)', which has no words") }
        }
        // The ways above see who asks: a room that writes its names otherwise would go unread.
        #expect(Set(askers.keys).isSuperset(of: ["Identity", "Licensing", "Seats", "Billing", "billing"]), "\(askers.keys)")
        #expect(askers["Identity"]?.isSuperset(of: ["verify_email", "reset_password", "new_sign_in", "account_locked"]) == true)
        #expect(askers["Licensing"]?.contains("license_revoked") == true)
        let asked = askers.values.reduce(into: Set<String>()) { $0.formUnion($1) }
        // Beside them, words that operators' own plans may ask for.
        #expect(written.subtracting(asked) == ["purchase_receipt"])
    }
}
