import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// Sign-in by a tenant's directory. No browser goes away: name and password are typed here, and the directory says whether they are right.
///
/// The password goes from the request to the plugin and nowhere else. Tries count as those at passwords of our own do, by connection, name and
/// network, and begin to count before the directory is asked; what they count never touches the account's own password, since whoever runs a
/// directory could else wipe what strangers did elsewhere.
extension Federation {
    enum DirectoryLimits {
        static let nameBytes = 254
        static let passwordBytes = 1_024
    }

    /// Whether people type their password here instead of being sent away.
    func isDirectory(_ target: Target) throws -> Bool {
        let capabilities = try provider(target).profile.capabilities
        return capabilities.contains(.directory) && !capabilities.contains(.browser)
    }

    package func isDirectory(_ connection: TenantConnection) throws -> Bool { try isDirectory(try target(of: connection)) }

    /// Where the browser goes instead: a page of ours, with the cookie that every way away has.
    func typing(_ page: String, next: String?, browser: String?) -> Departure {
        let cookie = browser.flatMap { Base64URL.decode($0)?.count == 32 ? $0 : nil } ?? drawn()
        let (goal, signs) = (
            inside(next), CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")
        )
        let tail = goal == "/start" ? "" : "?next=\(goal.addingPercentEncoding(withAllowedCharacters: signs) ?? "")"
        return Departure(address: page + tail, form: [:], cookie: cookie, life: settings.seconds(FederationSettings.flowSeconds))
    }

    /// The directory of an enabled connection, by what people call it; throws `not_found`.
    package func directory(_ id: ConnectionID) async throws -> String {
        let connection = try await connection(id)
        guard connection.state == .enabled, try isDirectory(try target(of: connection)) else { throw CommonProblems.notFound }
        return connection.label
    }

    /// A session or the second step to it; nil where a mail went to the owner of an account with this address instead.
    package func signIn(
        directory id: ConnectionID, user: String, password: String, from device: Device, _ act: Act
    ) async throws -> SignIn? {
        let connection = try await connection(id)
        guard connection.state == .enabled else { throw CommonProblems.notFound }
        let target = try target(of: connection)
        guard try isDirectory(target) else { throw CommonProblems.notFound }
        do {
            return try await settle(try await asked(target, user: user, password: password, act), target, device, act)
        } catch let error as IdentityProviderError { throw try await problem(of: error, target, act) }
    }

    /// What an administrator's try found.
    package struct DirectoryTest: Sendable {
        package let issuer: String
        package let subject: String
        package let name: String?
        /// Nil: it has no address of a proved domain, so nobody new could come in as this person.
        package let address: String?
        package let groups: [String]
        package let role: Role
    }

    /// An administrator tries the directory as somebody; who gets in has tested the connection. Here what went wrong is told apart.
    package func test(
        directory id: ConnectionID, user: String, password: String, by caller: Principal, _ act: Act
    ) async throws -> DirectoryTest {
        let connection = try await connection(id, of: caller.tenant)
        let target = try target(of: connection)
        guard try isDirectory(target) else { throw CommonProblems.notFound }
        let assertion: IdentityAssertion
        do { assertion = try await asked(target, user: user, password: password, act) } catch let error as IdentityProviderError {
            let (state, reason) = Self.words(of: error)
            await record("test: \(state): \(reason)", target, act)
            throw FederationProblems.directoryTestFailed.with(["state": .string(state), "reason": .string(String(reason.prefix(300)))])
        }
        let address = try await vouched(assertion, target)
        _ = try await keepTest(target, assertion, by: caller.user, act)
        return DirectoryTest(
            issuer: assertion.issuer, subject: assertion.subject, name: assertion.displayName, address: address?.display,
            groups: assertion.groups, role: connection.role(of: assertion.groups))
    }

    // MARK: Asking

    /// Counted, asked, counted back. Throws the plugin's error as it is.
    private func asked(_ target: Target, user: String, password: String, _ act: Act) async throws -> IdentityAssertion {
        let typed = user.trimmingCharacters(in: .whitespacesAndNewlines)
        let attempt = try await identity.beginAttempt(guessing(target, typed, act), act)
        do {
            guard (1...DirectoryLimits.nameBytes).contains(typed.utf8.count), !typed.unicodeScalars.contains(where: { $0.value < 32 }),
                (1...DirectoryLimits.passwordBytes).contains(password.utf8.count), !password.utf8.contains(0)
            else { throw IdentityProviderError.account(.credentialsInvalid) }
            let attempted = DirectoryAttempt(connection: target.connection, user: typed, password: password)
            let assertion = try await provider(target).authenticate(attempted)
            try await identity.end(attempt, act)
            return assertion
        } catch let error as IdentityProviderError {
            switch error {
            case .account(.credentialsInvalid), .account(.locked): try await identity.fail(attempt, "session.sign_in_failed", act)
            // The password was right.
            case .account: try await identity.end(attempt, act)
            default: try await identity.abandon(attempt, act)
            }
            throw error
        } catch let error as CancellationError {
            // Whoever hangs up in the middle has made a try.
            throw error
        } catch {
            try await identity.abandon(attempt, act)
            throw error
        }
    }

    private func guessing(_ target: Target, _ typed: String, _ act: Act) -> Guessing {
        let text = "\(target.connection.id)\0\(typed.precomposedStringWithCompatibilityMapping.lowercased().prefix(1_024))"
        return Guessing(
            account: vault.sealer.digest(Array(text.utf8), purpose: "identity.directory_name"),
            network: identity.fields.digest(Network(address: act.address)))
    }

    /// What the person is told: of an account no more than that both do not match, unless the password was right.
    private func problem(of error: IdentityProviderError, _ target: Target, _ act: Act) async throws -> any Error {
        guard case .account(let state) = error else { return await refusal(error, target, act) }
        await record("account: \(state.rawValue)", target, act)
        switch state {
        case .credentialsInvalid, .locked: return FederationProblems.directoryRefused
        default: return FederationProblems.directoryAccount.with(["state": .string(state.rawValue)])
        }
    }

    private static func words(of error: IdentityProviderError) -> (state: String, reason: String) {
        switch error {
        case .account(let state): (state.rawValue, DirectoryWords.sentence(state))
        case .misconfigured(let text): ("misconfigured", text)
        case .unreachable(let text): ("unreachable", "the directory does not answer: \(text)")
        case .notBelieved(_, let text): ("not_believed", "the directory's answer is not believed: \(text)")
        case .notSupported, .declined: ("refused", "the plugin refuses")
        @unknown default: ("refused", "the plugin refuses")
        }
    }
}

/// What a state is to whoever sets the directory up.
enum DirectoryWords {
    static func sentence(_ state: DirectoryAccountState) -> String {
        switch state {
        case .credentialsInvalid:
            "There is no such person below base_dn, there are two of that name, or the password is wrong. Which of them is in the directory's own log."
        case .locked:
            "Too many wrong passwords: the directory has locked the account, or the platform does not ask it any more for a while."
        case .disabled: "The password is right; the account is disabled."
        case .expired: "The password is right; the account has expired."
        case .passwordExpired: "The password is right; it has expired."
        case .passwordMustChange: "The password is right; it must be changed first."
        case .restricted: "The password is right; the account may not sign in now, or not from this server."
        @unknown default: "The directory does not let the account in."
        }
    }
}

extension Identity {
    /// Ends an attempt whose password was right.
    func end(_ attempt: Attempt, _ act: Act) async throws {
        try await store.kernel(KernelReason("identity.end_attempt")) { db in try recordSuccess(attempt, in: db, act) }
    }
}
