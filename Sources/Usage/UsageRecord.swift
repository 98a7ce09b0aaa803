import Catalog
import Vocabulary

/// One use, as its reporter tells of it. Told again under the same key it is the same use.
package struct UsageRecord: Sendable, Hashable {
    package static let mostUnits: Int64 = 1_000_000_000
    /// How far a reporter's clock may be ahead.
    package static let clockSlack = Duration.minutes(5)
    package static let mostInBatch = 500

    package let key: String
    package let meter: String
    package let quantity: Int64
    package let occurredAt: Timestamp
    /// The reporter said when; else it is when it was taken, and no part of what the key stands for.
    package let isDated: Bool
    package init(key: String, meter: String, quantity: Int64, occurredAt: Timestamp, isDated: Bool = true) {
        self.isDated = isDated
        self.key = key
        self.meter = meter
        self.quantity = quantity
        self.occurredAt = occurredAt
    }
}

/// What became of one record of a batch.
package struct UsageOutcome: Sendable, Hashable {
    package enum Status: String, Sendable, CaseIterable {
        case accepted
        /// Known by its key, and counted then.
        case duplicate
        case refused
    }
    package enum Refusal: String, Sendable, CaseIterable {
        /// It would pass the limit. The same record may come again, after an upgrade or in the next period.
        case quotaExceeded = "quota_exceeded"
        /// A policy refuses it.
        case policyDenied = "policy_denied"
        /// The tenant's tier has no quota of this name.
        case meterUnknown = "meter_unknown"
        /// The key stands for another use.
        case keyReused = "key_reused"
        /// Its period takes nothing more.
        case periodClosed = "period_closed"
        case inTheFuture = "in_the_future"
    }
    package let key: String
    package let status: Status
    package let refusal: Refusal?
    /// The policy's own word.
    package let reason: String?
    init(_ key: String, _ status: Status, _ refusal: Refusal? = nil, reason: String? = nil) {
        self.key = key
        self.status = status
        self.refusal = refusal
        self.reason = reason
    }
}

/// One meter in one period, as its tenant sees it.
package struct MeterReading: Sendable, Hashable {
    package let meter: String
    package let period: UsagePeriod
    package let used: Int64
    /// Nil: without limit.
    package let limit: Int64?
    package let softLimit: Int64?
    package let state: UsagePeriod.State
}

/// What a tenant may use: the tier in force for it, contract included. Nil for who has nothing.
package protocol UsageTerms: Sendable {
    func tier(of tenant: TenantID, now: Timestamp) async throws -> Tier?
}
