import Foundation
import Identity
import PlatformTesting
import Store
import Synchronization
import Testing
import Vocabulary

@testable import Composition

extension PeopleTests {
    static let quiet = "http: {limits_enabled: false}"

    /// An owner, and whoever the owner invites.
    struct Firm {
        let platform: TestPlatform
        let owner: Customer

        init(yaml: String = PeopleTests.quiet, policies: URL? = nil, plugins: URL? = nil) async throws {
            platform = try await TestPlatform.open(yaml: yaml, policies: policies, plugins: plugins)
            owner = try await Customer.member(platform)
        }
        init(platform: TestPlatform, owner: Customer) {
            self.platform = platform
            self.owner = owner
        }
        var now: Timestamp { platform.clock.now() }

        static func body(_ email: String, _ role: String, endsAt: Timestamp? = nil, scope: [String]? = nil) -> JSONValue {
            var body: [String: JSONValue] = ["email": .string(email), "role": .string(role)]
            if let endsAt { body["ends_at"] = .string(endsAt.iso8601) }
            if let scope { body["scope"] = .array(scope.map { .string($0) }) }
            return .object(body)
        }
        /// Invited by `inviter`, the link taken from the mail.
        func invite(_ email: String, _ role: String, endsAt: Timestamp? = nil, by inviter: Customer? = nil) async throws -> String {
            // Mails of one moment have no order: what went before has gone.
            try await platform.runDue()
            if (try? platform.mailToken(to: email)) != nil { platform.clock.advance(by: .milliseconds(1)) }
            let answer = await (inviter ?? owner).call("POST", "/api/v1/invitations", Self.body(email, role, endsAt: endsAt))
            guard answer.status == 201 else { throw Unexpected(what: "invite", answer: answer) }
            try await platform.runDue()
            return try platform.mailToken(to: email)
        }
        /// A new account by an invitation, signed in.
        func member(_ email: String, _ role: String, endsAt: Timestamp? = nil) async throws -> Customer {
            let token = try await invite(email, role, endsAt: endsAt)
            let accepted = await platform.call("POST", "/api/v1/invitations/accept", PeopleTests.answer(token))
            guard accepted.status == 200 else { throw Unexpected(what: "accept", answer: accepted) }
            return try await signIn(email)
        }
        func signIn(_ email: String) async throws -> Customer {
            let login = await platform.call(
                "POST", "/api/v1/auth/login", ["email": .string(email), "password": .string(Customer.password)])
            guard let token = login["access_token"]?.string else { throw Unexpected(what: "login", answer: login) }
            return Customer(platform: platform, token: token)
        }
        func memberships() async -> [JSONValue] {
            await owner.call("GET", "/api/v1/memberships?limit=100")["memberships"]?.array ?? []
        }
        func membership(_ email: String) async throws -> String {
            guard let id = await memberships().first(where: { $0["email"]?.string == email })?["id"]?.string else {
                throw Unexpected(what: "membership of \(email)", answer: await owner.call("GET", "/api/v1/memberships"))
            }
            return id
        }
    }
    static func answer(_ token: String, _ password: String = Customer.password) -> JSONValue {
        ["token": .string(token), "password": .string(password), "first_name": "Grace", "last_name": "Hopper"]
    }
}

extension TestPlatform {
    /// What stands in every journal: `action subject`, in the order of time.
    func journalActions() async throws -> [String] { try await journal("action || ' ' || subject") }
    func journalActors(_ action: String) async throws -> [String] { try await journal("actor", "action = '\(action)'") }
    private func journal(_ column: String, _ filter: String = "1 = 1") async throws -> [String] {
        let sql = SQL(
            "test.journal.\(column).\(filter)", "SELECT \(column) FROM journal_entry_all WHERE \(filter) ORDER BY at, tenant_id, seq")
        return try await platform.ground.store.kernelRead(KernelReason("test.journal")) { db in try db.rows(sql).map { try $0.text(0) } }
    }
}

/// TXT records by hand.
final class PaperRecords: DomainResolver {
    let all = Mutex<[String: String]>([:])
    func texts(of name: String) async throws -> [String] { all.withLock { $0[name].map { [$0] } ?? [] } }
}
