import Foundation
import HookEngine
import PlatformTesting
import Testing
import Vocabulary

@testable import Composition

/// The decision log is exactly what ran, and nothing personal can be read in it: policies are given handles and declared derivations.
@Suite("what decisions know of persons")
struct DecisionPrivacyTests {
    private enum Why {
        /// A UUID or a keyed digest: comparable, not readable.
        case handle
        /// Derived from something personal, and less than it.
        case derived
        /// A word of the house's, a policy's or a provider's: a role, a tier, a template, a currency.
        case word
        /// What a program says of itself.
        case program
    }

    /// Each text that a hook's input may hold, and why anybody may read it.
    private static let texts: [String: Why] = [
        "on_data_request.user.id": .handle, "on_data_request.user.role": .word,
        "on_invite.user.id": .handle, "on_invite.user.role": .word, "on_invite.invited.email_domain": .derived,
        "on_invite.invited.role": .word,
        "on_invite.tenant.tier": .word,
        "on_login.user.id": .handle, "on_login.user.email_domain": .derived, "on_login.user.role": .word, "on_login.tenant.tier": .word,
        "on_notify.template": .word, "on_notify.user.role": .word, "on_notify.tier": .word,
        "on_offboard.user.id": .handle, "on_offboard.user.role": .word, "on_offboard.tier": .word,
        "on_payment.event.provider": .word, "on_payment.tenant.id": .handle, "on_payment.subscription.id": .handle,
        "on_payment.subscription.tier": .word, "on_payment.payment.currency": .word,
        "on_provision.tenant.id": .handle, "on_provision.tenant.tier": .word, "on_provision.workstation.machine_type": .word,
        "on_role_check.user.role": .word, "on_role_check.permission": .word,
        "on_seat_request.purpose": .word, "on_seat_request.user.id": .handle, "on_seat_request.user.role": .word,
        "on_seat_request.device.id": .handle, "on_seat_request.device.hostname": .handle, "on_seat_request.device.os": .program,
        "on_seat_request.device.version": .program, "on_seat_request.license.id": .handle, "on_seat_request.license.tier": .word,
        "on_seat_request.license.status": .word,
        "on_signup.user.email_domain": .derived, "on_signup.tier": .word,
        "on_tier_change.tenant.id": .handle, "on_tier_change.user.role": .word, "on_tier_change.from.tier": .word,
        "on_tier_change.from.currency": .word, "on_tier_change.to.tier": .word, "on_tier_change.to.currency": .word,
        "on_usage.tenant.id": .handle, "on_usage.tenant.tier": .word, "on_usage.meter": .word,
    ]

    private static func texts(_ kind: HookField.Kind, _ path: String) -> [String] {
        switch kind {
        case .string: [path]
        case .integer, .boolean, .choice: []
        case .object(let fields): fields.flatMap { texts($0.kind, "\(path).\($0.name)") }
        case .list(let inner), .map(let inner): texts(inner, path)
        }
    }

    @Test("every text that a policy is given stands here with the reason why it may be read")
    func declared() {
        let given = PlatformRegister.hooks.flatMap { hook in hook.input.flatMap { Self.texts($0.kind, "\(hook.name).\($0.name)") } }
        #expect(given.count > 40)
        #expect(Set(given) == Set(Self.texts.keys), "\(Set(given).symmetricDifference(Self.texts.keys).sorted())")
    }

    @Test("after a sign-up, a sign-in, an invitation, a seat, a loan and a removal no decision holds an address, a name or a machine")
    func canaries() async throws {
        let firm = try await PeopleTests.Firm()
        let platform = firm.platform
        let member = try await firm.member("canary-grace@example.com", "developer")
        let device: JSONValue = ["hardware_id": "canary-hardware", "hostname": "canary-machine", "os": "linux", "version": "1"]
        let seat = await member.call("POST", "/api/v1/licenses/acquire", device)
        #expect(seat.status == 200, "\(seat.text)")
        let session = try #require(seat["session_id"]?.string)
        let loan = await member.call(
            "POST", "/api/v1/licenses/borrow", ["session_id": .string(session), "hardware_id": "canary-hardware", "hours": 1])
        #expect(loan.status == 200, "\(loan.text)")
        let membership = try await firm.membership("canary-grace@example.com")
        #expect(await firm.owner.call("DELETE", "/api/v1/memberships/\(membership)").status < 300)
        try await platform.runDue()

        let folder = platform.data.appendingPathComponent("decisions")
        let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".jsonl") }
        let log = try files.map { try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8) }.joined()
        for hook in ["on_signup", "on_login", "on_invite", "on_seat_request", "on_offboard"] {
            #expect(log.contains("\"\(hook)\""), "\(hook)")
        }
        for word in ["canary", "ada@", "grace@", "Lovelace", "Hopper", "127.0.0.1"] { #expect(!log.contains(word), "\(word) can be read") }
        // The same machine is known again, by its handle.
        let names = log.split(separator: "\n").compactMap { line in
            (try? JSONValue.parse(Data(line.utf8)))?["input"]?["device"]?["hostname"]?.string
        }
        #expect(!names.isEmpty && Set(names).count == 1 && names.allSatisfy { $0.count == 32 })
        await platform.close()
    }
}
