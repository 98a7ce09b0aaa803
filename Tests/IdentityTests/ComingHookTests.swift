import HookEngine
import Testing

@testable import Identity

@Suite("hooks that nobody asks yet")
struct ComingHookTests {
    @Test("what they would send is what they declare")
    func fits() {
        let login = LoginHook.encode(
            .init(
                user: "u", emailDomain: "example.com", role: nil, tenantKind: "organization", tier: nil, method: "password", factors: 1,
                isKnownDevice: false, hasAllowList: true, isAddressListed: false, recentFailures: 0))
        #expect(HookCheck.issues(login, LoginHook.definition.input).isEmpty)
        let invite = InviteHook.encode(
            .init(
                user: "u", role: "admin", invitedDomain: "example.com", invitedRole: "viewer", tenantKind: "enterprise", tier: "pro",
                members: 3, pending: 1, ownsDomain: true))
        #expect(HookCheck.issues(invite, InviteHook.definition.input).isEmpty)
        #expect(LoginHook.terms(.object([("factors", .int(2))])) == .init(factors: 2, sessionSeconds: nil))
    }
}
