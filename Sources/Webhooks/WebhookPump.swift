import Foundation
import Store
import Vocabulary

/// Sends what is due to one endpoint: takes it, sends some at once, tells what came of it. One pump an endpoint at a time, so that a slow
/// endpoint holds one job and nobody else's.
extension Webhooks {
    private static let pumpReason = KernelReason("webhooks.pump")
    private static let sweepReason = KernelReason("webhooks.sweep")
    /// Two rounds of them, each as long as an endpoint may take, end before the job's lease and `busy_until` do.
    static let batch = 16
    static let atOnce = 8
    static let busy = Duration.seconds(50)

    /// Apart from the other jobs: an endpoint that takes its time must not keep a payment waiting.
    package func pumps() -> [JobHandler] {
        [JobHandler("webhooks.pump") { delivery, act in try await pump(try delivery.decode(WebhookTarget.self), delivery, act) }]
    }
    package func jobs() -> [JobHandler] { [JobHandler("webhooks.sweep") { delivery, act in try await sweep(delivery, act) }] }

    struct Batch: Sendable {
        struct Item: Sendable {
            let message: WebhookMessage.ID
            let tries: Int
            let attempts: Int
            let body: String
        }
        let url: String
        let secrets: [[UInt8]]
        let failingSince: Timestamp?
        let items: [Item]
    }

    func pump(_ target: WebhookTarget, _ delivery: Delivery, _ act: Act) async throws {
        guard let batch = try await begin(target, delivery, act) else { return }
        let outcomes = await send(batch, act)
        try await finish(target, batch, outcomes, delivery, act)
    }

    /// Nil where there is nothing to do; then the job is settled.
    private func begin(_ target: WebhookTarget, _ delivery: Delivery, _ act: Act) async throws -> Batch? {
        try await store.kernel(Self.pumpReason) { [sealer] db in
            enum Found { case batch(Batch), busy(Timestamp), nothing }
            let found = try db.within(target.tenant) { db -> Found in
                guard let row = try db.row(WebhookTable.take, target.endpoint, act.now + Self.busy, act.now) else {
                    // Somebody sends already; should he be dead, it goes on when his time is over.
                    guard let busy = try db.row(WebhookTable.busy, target.endpoint) else { return .nothing }
                    return .busy(try busy.time(0))
                }
                let context = Self.context(target.endpoint)
                var secrets = [try sealer.open(row.blob(1), context: context)]
                if let until = try row.optional(3, row.time), until > act.now, let box = try row.optional(2, row.blob) {
                    secrets.append(try sealer.open(box, context: context))
                }
                let items = try db.rows(WebhookTable.due, target.endpoint, act.now, Self.batch).map { row in
                    Batch.Item(message: try row.id(0), tries: try row.int(1), attempts: try row.int(2), body: try row.text(3))
                }
                return .batch(
                    Batch(url: try row.text(0), secrets: secrets, failingSince: try row.optional(4, row.time), items: items))
            }
            switch found {
            case .batch(let batch): return batch
            case .busy(let until): try Self.wake(target, "busy/\(until.microseconds)", at: until, db, act)
            case .nothing: break
            }
            try db.settle(delivery)
            return nil
        }
    }

    private func send(_ batch: Batch, _ act: Act) async -> [WebhookOutcome] {
        guard WebhookAddress(batch.url, opens: opens) != nil else {
            return batch.items.map { _ in WebhookOutcome(.failed(WebhookProblems.address.title), milliseconds: 0) }
        }
        let timeout = Duration.seconds(Int64(settings[WebhookSettings.timeoutSeconds]))
        return await withTaskGroup(of: (Int, WebhookOutcome).self) { group in
            var outcomes = Array(repeating: WebhookOutcome(.failed("was not sent"), milliseconds: 0), count: batch.items.count)
            func start(_ index: Int) {
                let item = batch.items[index]
                let signed = MessageSignature.headers(
                    id: WebhookMessage.name(item.message), at: act.now, body: item.body, secrets: batch.secrets)
                group.addTask { [transport] in
                    let headers = signed + [("content-type", "application/json"), ("user-agent", "coditect-webhooks/1")]
                    return (index, await transport.send(url: batch.url, headers: headers, body: Array(item.body.utf8), timeout: timeout))
                }
            }
            var next = 0
            while next < min(Self.atOnce, batch.items.count) {
                start(next)
                next += 1
            }
            while let (index, outcome) = await group.next() {
                outcomes[index] = outcome
                if next < batch.items.count {
                    start(next)
                    next += 1
                }
            }
            return outcomes
        }
    }

    private func finish(
        _ target: WebhookTarget, _ batch: Batch, _ outcomes: [WebhookOutcome], _ delivery: Delivery, _ act: Act
    ) async throws {
        let jitters = batch.items.map { _ in Double(entropy.bytes(1)[0]) / 255 }
        try await store.kernel(Self.pumpReason) { db in
            var wakes: Timestamp?
            var ended: String?
            try db.within(target.tenant) { db in
                guard try db.row(WebhookTable.endpoint, target.endpoint) != nil else { return }
                var failing = batch.failingSince
                for (index, item) in batch.items.enumerated() {
                    let verdict = WebhookSchedule.verdict(outcomes[index].result, tries: item.tries + 1, jitter: jitters[index])
                    try Self.tell(target, item, outcomes[index], verdict, db, act)
                    switch verdict {
                    case .delivered: failing = nil
                    case .gone: ended = "the endpoint answered 410 Gone"
                    case .again, .failed: failing = failing ?? act.now
                    }
                }
                if let failing, ended == nil, act.now - failing >= WebhookSchedule.patience {
                    ended = "nothing was delivered since \(failing.iso8601)"
                }
                try db.run(WebhookTable.done, target.endpoint, failing, ended)
                if let ended {
                    try db.run(WebhookTable.giveUp, target.endpoint)
                    try db.journal(
                        JournalEntry(
                            "webhook.disabled", subject: "webhook:\(target.endpoint)", outcome: .failed, details: ["reason": .string(ended)]
                        ),
                        act)
                } else {
                    wakes = try db.row(WebhookTable.next, target.endpoint).flatMap { try $0.optional(0, $0.time) }
                }
            }
            try db.settle(delivery)
            if let wakes {
                let moment = max(wakes, act.now)
                try Self.wake(target, "at/\(moment.microseconds)/\(delivery.id)", at: moment, db, act)
            }
            if let ended {
                try db.emit(
                    MailRequested(
                        recipient: .owners(target.tenant), template: "webhook_disabled", values: ["url": batch.url, "reason": ended],
                        key: "webhook_disabled/\(target.endpoint)/\(act.now.microseconds)"), act)
            }
        }
    }

    private static func tell(
        _ target: WebhookTarget, _ item: Batch.Item, _ outcome: WebhookOutcome, _ verdict: WebhookSchedule.Verdict, _ db: any TenantScope,
        _ act: Act
    ) throws {
        var state = MessageDelivery.State.failed
        var next: Timestamp?
        switch verdict {
        case .delivered: state = .delivered
        case .again(let delay): (state, next) = (.pending, act.now + delay)
        case .failed, .gone: break
        }
        // Whoever removed it or gave it up meanwhile has the last word; what was delivered was delivered.
        guard try db.row(WebhookTable.settle, target.endpoint, item.message, state.rawValue, item.tries + 1, item.attempts + 1, next) != nil
        else { return }
        var (status, answer, failure): (Int?, String?, String?)
        switch outcome.result {
        case .answered(let code, _, let text): (status, answer) = (code, clean(text))
        case .failed(let why): failure = clean(why)
        }
        try db.run(
            WebhookTable.tell, db.tenant, target.endpoint, item.message, item.attempts + 1, act.now, outcome.milliseconds, status, answer,
            failure)
    }

    /// What a stranger sent, to be shown: no control characters, no more than a screenful.
    private static func clean(_ text: String) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(1_000).map { $0.value < 32 || $0.value == 127 ? " " : $0 }))
    }

    // MARK: Sweep

    package func start(_ act: Act) async throws {
        let job = try Self.sweepJob(at: act.now)
        try await store.kernel(Self.sweepReason) { db in try db.enqueue(job, act) }
    }

    private static func sweepJob(at moment: Timestamp) throws -> NewJob {
        try NewJob("webhooks.sweep", key: String(moment.seconds / 86_400), tenant: nil, payload: [String: String](), runAt: moment)
    }

    /// Forgets messages that are past their retention, tenant by tenant, some hundred a transaction.
    private func sweep(_ delivery: Delivery, _ act: Act) async throws {
        let before = act.now - .days(Int64(settings[WebhookSettings.retentionDays]))
        var last: [UInt8] = []
        while true {
            let from = last
            let tenants = try await store.kernelRead(Self.sweepReason) { db in
                try db.rows(WebhookTable.tenants, from, 500).map { try $0.blob(0) }
            }
            for tenant in tenants {
                var gone = 0
                repeat {
                    gone = try await store.kernel(Self.sweepReason) { db in try db.rows(WebhookTable.forget, tenant, before, 500).count }
                } while gone == 500
            }
            guard let end = tenants.last else { break }
            last = end
        }
        let next = try Self.sweepJob(at: act.now + .days(1))
        try await store.kernel(Self.sweepReason) { db in
            try db.enqueue(next, act)
            try db.settle(delivery)
        }
    }
}
