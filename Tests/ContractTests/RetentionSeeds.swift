import Foundation
import PlatformTesting
import Signing
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Composition
@testable import Offboarding

/// A row of each kind of record, whose time is over at `end`.
struct RetentionSeeds {
    struct Seed: Sendable {
        let kind: String
        let id: String
        let sql: SQL
        let values: [SQLValue]
    }
    let tenant: TenantID
    let user: UserID
    let end: Timestamp
    private(set) var all: [Seed] = []

    init(_ tenant: TenantID, _ user: UserID, end: Timestamp) throws {
        self.tenant = tenant
        self.user = user
        self.end = end
        try people()
        try work()
    }

    private func text(_ id: UUID) -> String { id.uuidString.lowercased() }
    private func digest() -> [UInt8] { (0..<32).map { _ in UInt8.random(in: 0...255) } }
    private var early: Timestamp { end - .days(1_000) }
    private func begin(_ kind: String) throws -> Timestamp {
        let known = try #require(RetentionTable.kinds.first { $0.name == kind })
        return end - known.duties[0].length.span(Settings())
    }
    private mutating func add(_ kind: String, _ id: String, _ table: String, _ columns: [(String, any SQLBindable)]) {
        let places = columns.indices.map { "$\($0 + 1)" }.joined(separator: ", ")
        let sql = "INSERT INTO \(table) (\(columns.map { $0.0 }.joined(separator: ", "))) VALUES (\(places))"
        all.append(Seed(kind: kind, id: id, sql: SQL("test.seed.\(table)", sql), values: columns.map { $0.1.sqlValue }))
    }
    private mutating func secret(_ kind: String, _ table: String, _ key: String, _ more: [(String, any SQLBindable)]) {
        let name = digest()
        add(kind, Hex.encode(name), table, [(key, name), ("expires_at", end)] + more)
    }

    private mutating func people() throws {
        let (box, id) = ([1, 2, 3] as [UInt8], UUID())
        add(
            "sessions", text(id), "auth_session",
            [
                ("session_id", id), ("user_id", user), ("tenant_id", tenant), ("kind", "token"), ("status", "revoked"), ("generation", 0),
                ("secret_digest", digest()), ("expires_at", end), ("factor", "password"), ("created_at", early), ("last_used_at", early),
                ("revoked_at", try begin("sessions")), ("revoked_because", "signed_out"),
            ])
        let network = digest()
        add(
            "known_networks", "\(user):\(Hex.encode(network))", "known_network",
            [("user_id", user), ("network_digest", network), ("proved_at", try begin("known_networks"))])
        let token = UUID()
        add("withdrawn_tokens", text(token), "revoked_token", [("token_id", token), ("expires_at", end)])
        let (account, guarded) = (digest(), digest())
        add(
            "failed_sign_ins", "\(Hex.encode(account)):\(Hex.encode(guarded))", "login_guard",
            [
                ("account_digest", account), ("network_digest", guarded), ("epoch", 0), ("begun", 0), ("failed", 0),
                ("last_at", try begin("failed_sign_ins")), ("is_noticed", 0),
            ])
        add(
            "sign_in_pressure", Hex.encode(account), "login_pressure",
            [("account_digest", account), ("begun", 0), ("since", try begin("sign_in_pressure")), ("next_slot_at", early)])
        secret("mailed_links", "link_token", "token_digest", [("purpose", "reset_password"), ("user_id", user), ("created_at", early)])
        secret("sign_in_flows", "sign_in_flow", "state_digest", [("browser_digest", digest()), ("box", box), ("created_at", early)])
        secret(
            "pending_links", "pending_link", "token_digest",
            [
                ("link_digest", digest()), ("user_id", user), ("plugin", "oidc"), ("connection", "x"), ("label", "x"),
                ("created_at", early),
            ])
        secret(
            "device_grants", "device_grant", "device_digest",
            [("code_digest", digest()), ("label", "x"), ("state", "pending"), ("interval_seconds", 5), ("created_at", early)])
        secret("spent_challenges", "spent_challenge", "challenge_digest", [])
        secret(
            "sign_in_steps", "sign_in_step", "step_digest",
            [("user_id", user), ("kind", "token"), ("factor", "password"), ("created_at", early)])
        add(
            "factor_enrolments", "\(user)", "totp_enrolment",
            [("user_id", user), ("session_id", UUID()), ("secret_box", box), ("expires_at", end)])
    }

    private mutating func work() throws {
        let (box, bytes) = ([1, 2, 3] as [UInt8], digest())
        let (event, correction, comparison, seat, project, message) = (UUID(), UUID(), UUID(), UUID(), UUID(), UUID())
        let received = try begin("payment_events")
        add(
            "payment_events", text(event), "payment_event",
            [
                ("id", event), ("provider", "sandbox"), ("event", text(event)), ("type", "x"), ("occurred_at", received),
                ("received_at", received), ("body_box", box), ("body_digest", bytes), ("status", "applied"), ("tenant_id", tenant),
                ("round", 0), ("delivery_count", 1), ("altered_count", 0), ("failure_count", 0), ("settled_at", received),
            ])
        add(
            "billing_corrections", text(correction), "billing_correction_all",
            [
                ("tenant_id", tenant), ("id", correction), ("finding", text(correction)), ("provider", "sandbox"), ("place", "mirror"),
                ("kind", "x"), ("what", "x"), ("done", "corrected"), ("changes_access", 0), ("changes_money", 0), ("found_at", early),
                ("settled_at", try begin("billing_corrections")),
            ])
        let compared = try begin("billing_comparisons")
        add(
            "billing_comparisons", text(comparison), "billing_reconciliation",
            [
                ("id", comparison), ("provider", "sandbox"), ("status", "done"), ("since_at", early), ("report", "{}"),
                ("started_at", compared), ("finished_at", compared),
            ])
        add(
            "usage_periods", "", "usage_period_all",
            [
                ("tenant_id", tenant), ("meter", "test"), ("starts_at", early), ("ends_at", early + .days(30)), ("used", 1),
            ])
        add(
            "usage_records", "record-1", "usage_record_all",
            [
                ("tenant_id", tenant), ("record_key", "record-1"), ("meter", "test"), ("starts_at", early), ("quantity", 1),
                ("occurred_at", try begin("usage_records")), ("received_at", early),
            ])
        add(
            "seat_history", text(seat), "seat_history_all",
            [
                ("tenant_id", tenant), ("session_id", seat), ("license_id", UUID()), ("device", bytes), ("user_id", user), ("epoch", 0),
                ("acquired_at", early), ("ended_at", try begin("seat_history")), ("end_reason", "released"),
            ])
        add(
            "projects", text(project), "project_all",
            [
                ("tenant_id", tenant), ("project_id", project), ("name", "x"), ("summary", ""), ("state", "deleted"), ("created_by", user),
                ("created_at", early), ("changed_at", early), ("purge_at", end),
            ])
        add(
            "webhook_messages", text(message), "webhook_message_all",
            [
                ("tenant_id", tenant), ("message_id", message), ("type", "x"), ("body", "{}"),
                ("created_at", try begin("webhook_messages")),
            ])
        let name = "retention-\(user)"
        add(
            "sent_mails", "\(name):\(user)", "notification_sent",
            [("occasion", name), ("user_id", user), ("template", "x"), ("sent_at", try begin("sent_mails"))])
        add(
            "mail_rulings", "\(name):\(user)", "mail_ruling",
            [("occasion", name), ("user_id", user), ("due_at", try begin("mail_rulings"))])
        let mail = String(text(event).filter { $0 != "-" })
        add(
            "mail_deliveries", mail, "mail_delivery",
            [
                ("mail", mail), ("user_id", user), ("template", "x"), ("address_digest", bytes), ("fate", "sent"), ("code", ""),
                ("attempts", 1), ("changed_at", try begin("mail_deliveries")),
            ])
        add(
            "mail_reports", "x:\(name)", "mail_report",
            [("channel", "x"), ("report", name), ("received_at", try begin("mail_reports"))])
        add(
            "suppressed_addresses", Hex.encode(bytes), "mail_suppression",
            [
                ("address_digest", bytes), ("suppression_id", UUID()), ("user_id", user), ("cause", "bounced"), ("code", ""),
                ("since", try begin("suppressed_addresses")),
            ])
    }
}

/// A tenant with a row of each kind.
struct Planted {
    let tenant: TenantID
    let seeds: [RetentionSeeds.Seed]
    let platform: TestPlatform

    init(_ platform: TestPlatform, _ who: Customer, end: Timestamp) async throws {
        self.platform = platform
        tenant = try #require(TenantID(await who.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let user = try #require(UserID(await who.call("GET", "/api/v1/users/me")["id"]?.string ?? ""))
        // The round of the projects goes by who has, or had, one.
        guard await who.call("POST", "/api/v1/projects", ["name": "Engine"]).status == 201 else { throw StoreFault.corrupt("no project") }
        let all = try RetentionSeeds(tenant, user, end: end).all
        try await platform.platform.ground.store.kernel(KernelReason("test.seed")) { db in
            for seed in all { _ = try db.rows(seed.sql, seed.values) }
        }
        seeds = all.filter { !$0.id.isEmpty }
    }
    /// What is there of them, with what is said of it.
    func left() async throws -> [String: RetentionVerdict] {
        var left: [String: RetentionVerdict] = [:]
        for seed in seeds {
            do {
                left[seed.kind] = try await platform.platform.rooms.retention.explain(seed.kind, seed.id, tenant: tenant).verdict
            } catch let problem as Problem where problem.code == CommonProblems.notFound.code {}
        }
        return left
    }
}
