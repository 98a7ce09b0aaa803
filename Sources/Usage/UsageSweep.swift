import Store
import Vocabulary

/// Single records go when their days are over, whether or not their tenant still reports.
extension Usage {
    static let sweepKind = "usage.sweep"
    private static let sweeping = KernelReason("usage.sweep")
    private static let atOnce = 500

    package func jobs() -> [JobHandler] { [JobHandler(Self.sweepKind) { delivery, act in try await sweep(delivery, act) }] }

    /// Makes the daily sweep due; the same job at every start of a day.
    package func start(_ act: Act) async throws {
        let job = try Self.sweepJob(at: act.now)
        try await store.kernel(Self.sweeping) { db in try db.enqueue(job, act) }
    }
    private static func sweepJob(at moment: Timestamp) throws -> NewJob {
        try NewJob(sweepKind, key: String(moment.seconds / 86_400), tenant: nil, payload: [String: String](), runAt: moment)
    }

    private func sweep(_ delivery: Delivery, _ act: Act) async throws {
        let before = act.now - .days(Int64(settings[UsageSettings.recordDays]))
        var last: [UInt8] = []
        while true {
            let from = last
            let tenants = try await store.kernelRead(Self.sweeping) { db in
                try db.rows(UsageTable.tenants, from, Self.atOnce).map { try $0.blob(0) }
            }
            for tenant in tenants {
                while try await store.kernel(Self.sweeping, { db in try db.rows(UsageTable.forget, tenant, before, Self.atOnce).count })
                    == Self.atOnce
                {}
            }
            guard let end = tenants.last else { break }
            last = end
        }
        let next = try Self.sweepJob(at: act.now + .days(1))
        try await store.kernel(Self.sweeping) { db in
            try db.enqueue(next, act)
            try db.settle(delivery)
        }
    }
}
