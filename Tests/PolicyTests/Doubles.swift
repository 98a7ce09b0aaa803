import Foundation
import HookEngine
import PolicyHost
import Synchronization
import Vocabulary

/// The four hooks that the shipped policies answer, as their rooms declare them.
enum Hooked {
    static let signup = HookDefinition(
        "on_signup", kind: .decide, summary: "Whether somebody may sign up.",
        input: [
            HookField("user", .object([HookField("email_domain", .string, "Domain")]), "Who"),
            HookField("organization_kind", .choice(["individual", "organization", "enterprise"]), "Kind"),
            HookField("tier", .string, "Tier", optional: true),
            HookField(
                "pilot",
                .object([HookField("enabled", .boolean, "Open"), HookField("limit", .integer, "Cap"), HookField("used", .integer, "Count")]
                ),
                "The pilot"),
        ], whenAllAbstain: .allow)
    static let seat = HookDefinition(
        "on_seat_request", kind: .decide, summary: "Whether a user may have a seat.",
        input: [
            HookField("user", .object([HookField("id", .string, "Handle"), HookField("role", .string, "Role")]), "Who"),
            HookField(
                "device",
                .object([
                    HookField("id", .string, "Handle"), HookField("hostname", .string, "Name", optional: true),
                    HookField("os", .string, "System", optional: true), HookField("version", .string, "Version", optional: true),
                ]), "Device"),
            HookField(
                "license",
                .object([
                    HookField("id", .string, "Id"), HookField("tier", .string, "Tier"), HookField("status", .string, "Status"),
                    HookField("seats", .integer, "Seats"), HookField("seats_used", .integer, "Used"),
                ]), "Licence"),
        ],
        terms: [
            HookField("overdraft_seats", .integer, "Over", optional: true, tight: .lowest, range: 0...1_000),
            HookField("lease_ttl_seconds", .integer, "Life", optional: true, tight: .lowest, range: 60...86_400),
        ], whenAllAbstain: .allow, isOpenToTenants: true)
    static let role = HookDefinition(
        "on_role_check", kind: .decide, summary: "Whether a role may use a permission.",
        input: [
            HookField("user", .object([HookField("role", .string, "Role")]), "Who"),
            HookField("permission", .string, "resource:verb"),
            HookField("tenant", .object([HookField("kind", .string, "Kind")]), "Where"),
        ], whenAllAbstain: .deny, isOpenToTenants: true)
    static let payment = HookDefinition(
        "on_payment", kind: .plan, summary: "What follows from a payment event.",
        input: [
            HookField(
                "event",
                .object([
                    HookField(
                        "type",
                        .choice([
                            "checkout_completed", "payment_succeeded", "payment_failed", "subscription_updated", "subscription_cancelled",
                            "refund_created", "dispute_opened", "dispute_closed",
                        ]), "What"), HookField("provider", .string, "Provider"),
                    HookField(
                        "decline_reason",
                        .choice([
                            "insufficient_funds", "expired_card", "incorrect_details", "authentication_required", "lost_or_stolen",
                            "not_accepted", "processing_error", "other",
                        ]), "Why", optional: true),
                ]), "Event"),
            HookField("tenant", .object([HookField("id", .string, "Id")]), "Tenant"),
            HookField(
                "subscription",
                .object([
                    HookField("id", .string, "Id"), HookField("tier", .string, "Tier"), HookField("interval", .string, "Interval"),
                    HookField("status", .string, "Status"), HookField("quantity", .integer, "Units"),
                    HookField("period_end_seconds", .integer, "End", optional: true), HookField("failed_payments", .integer, "Failures"),
                ]), "Subscription", optional: true),
            HookField(
                "payment", .object([HookField("amount_minor", .integer, "Amount"), HookField("currency", .string, "Currency")]), "Payment",
                optional: true),
            HookField("customer", .object([HookField("age_days", .integer, "Age")]), "Customer", optional: true),
        ],
        actions: [
            HookAction("issue_license", summary: "Issue"), HookAction("renew_license", summary: "Renew"),
            HookAction(
                "start_grace", summary: "Grace",
                fields: [HookField("days", .integer, "Days", optional: true, tight: .lowest, range: 0...90)]),
            HookAction("suspend_license", summary: "Suspend"), HookAction("restore_access", summary: "Restore"),
            HookAction("end_subscription", summary: "End", fields: [HookField("when", .choice(["now", "period_end"]), "When")]),
            HookAction("send_mail", summary: "Mail", fields: [HookField("template", .string, "Template")]),
            HookAction("notify_staff", summary: "Tell staff", fields: [HookField("reason", .string, "Why")]),
        ], whenAllAbstain: .shippedPlan)
    static let all = [signup, seat, role, payment]

    /// The fields that Catalog and Access would have checked.
    static let data = [DataFile("tiers"), DataFile("roles")]
}

enum SeatHook: DecideHook {
    struct Input: Sendable {
        var role = "developer"
        var seats: Int64 = 1
        var used: Int64 = 1
        var user = "u1"
    }
    struct Terms: Sendable, Hashable {
        var overdraftSeats: Int64?
        var ttlSeconds: Int64?
    }
    static let definition = Hooked.seat
    static func encode(_ input: Input) -> HookValue {
        .object([
            ("user", .object([("id", .string(input.user)), ("role", .string(input.role))])),
            ("device", .object([("id", .string("d1")), ("hostname", .string("workbench")), ("os", .null), ("version", .null)])),
            (
                "license",
                .object([
                    ("id", .string("l1")), ("tier", .string("pro")), ("status", .string("active")), ("seats", .int(input.seats)),
                    ("seats_used", .int(input.used)),
                ])
            ),
        ])
    }
    static func terms(_ value: HookValue) -> Terms {
        Terms(overdraftSeats: value["overdraft_seats"]?.int, ttlSeconds: value["lease_ttl_seconds"]?.int)
    }
}

enum RoleHook: DecideHook {
    struct Input: Sendable {
        var role: String
        var permission: String
    }
    struct Terms: Sendable {}
    static let definition = Hooked.role
    static func encode(_ input: Input) -> HookValue {
        .object([
            ("user", .object([("role", .string(input.role))])), ("permission", .string(input.permission)),
            ("tenant", .object([("kind", .string("organization"))])),
        ])
    }
    static func terms(_ value: HookValue) -> Terms { Terms() }
}

enum PaymentHook: PlanHook {
    static let definition = Hooked.payment
    static func encode(_ input: String) -> HookValue {
        .object([
            ("event", .object([("type", .string(input)), ("provider", .string("sandbox"))])), ("tenant", .object([("id", .string("t1"))])),
        ])
    }
    static func shippedPlan(_ input: String) -> [PlannedAction] {
        [PlannedAction("notify_staff", .object([("reason", .string("shipped"))])), PlannedAction("issue_license")]
    }
}

/// Keeps records in memory; can be told to fail.
final class MemorySink: DecisionSink {
    private let kept = Mutex<[DecisionRecord]>([])
    private let fails = Mutex(false)
    func record(_ record: DecisionRecord) async throws {
        if fails.withLock({ $0 }) { throw CancellationError() }
        kept.withLock { $0.append(record) }
    }
    func fail(_ flag: Bool = true) { fails.withLock { $0 = flag } }
    var records: [DecisionRecord] { kept.withLock { $0 } }
    var last: DecisionRecord? { records.last }
}

struct StillClock: Clock {
    func now() -> Timestamp { Timestamp(seconds: 1_795_253_400) }
    func monotonic() -> Duration { .zero }
}

/// The same bytes in each test, and never the same twice in one.
final class CountingEntropy: Entropy {
    private let next = Mutex<UInt64>(0)
    func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in
            next.withLock {
                $0 &+= 0x9e37_79b9_7f4a_7c15
                return UInt8(truncatingIfNeeded: ($0 ^ $0 >> 30) &* 0xbf58_476d_1ce4_e5b9 >> 40)
            }
        }
    }
}

/// A policy directory of its own, gone with the test.
final class PolicyFolder: Sendable {
    let url: URL
    init(_ files: [String: String]) throws {
        url = FileManager.default.temporaryDirectory.appending(path: "policies-\(UUID().uuidString)/policies")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        for (path, text) in files { try write(path, text) }
    }
    deinit { try? FileManager.default.removeItem(at: url.deletingLastPathComponent()) }

    func write(_ path: String, _ text: String) throws {
        let file = url.appending(path: path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }

    /// One policy `x/y` in the platform layer.
    static func single(_ body: String, order: String = "return { platform = { \"x/y\" } }") throws -> PolicyFolder {
        try PolicyFolder(["init.lua": order, "x/y/policy.lua": body])
    }

    func engine(
        definitions: [HookDefinition] = Hooked.all, data: [DataFile] = [], sink: any DecisionSink = MemorySink(),
        limits: PolicyEngine.Limits = .init()
    ) -> PolicyEngine {
        var limits = limits
        // A busy machine must not drop what a test counts.
        limits.shadowTries = .max
        return PolicyEngine(
            definitions: definitions, directory: url, sink: sink, entropy: CountingEntropy(), clock: StillClock(), data: data,
            limits: limits)
    }

    func findings(data: [DataFile] = []) -> [String] {
        PolicyEngine.check(directory: url, definitions: Hooked.all, data: data).map(\.description)
    }
}

extension HookSubject {
    static func test(tier: String? = nil, now: Timestamp = Timestamp(seconds: 1_795_253_400), tenant: Int = 1) -> HookSubject {
        HookSubject(tenant: TenantID(tenantText(tenant)), tier: tier, requestID: "r-1", now: now)
    }
    static func tenantText(_ number: Int) -> String {
        let digits = String(number)
        return "018f0000-0000-7000-8000-" + String(repeating: "0", count: 12 - digits.count) + digits
    }
}

/// The repository, found from this file.
enum Checkout {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    static var policies: URL { root.appending(path: "policies") }
    static var ownAttacks: URL { root.appending(path: "Tests/PolicyTests/Attacks") }
    static var sharedAttacks: URL { root.appending(path: "../shared/lua-attacks") }
}
