import Foundation
import Store
import StoreSQLite
import Synchronization
import Testing
import Vocabulary

@Suite struct JobTests {
    struct Broken: Error {}

    static func runner(_ bench: Bench, _ handlers: [JobHandler], rules: JobRules = JobRules(), log: Tally = Tally()) -> JobRunner {
        JobRunner(
            store: bench.store, handlers: handlers, subscribers: [], clock: bench.clock, entropy: bench.entropy, rules: rules,
            log: { log.add($0) })
    }
    static func enqueue(_ bench: Bench, _ key: String, kind: String = "test.work", after: Duration = .zero) async throws {
        let act = bench.act
        try await bench.store.kernel(bench.reason) { db in
            try db.enqueue(try NewJob(kind, key: key, tenant: nil, payload: ["key": key], runAt: act.now + after), act)
        }
    }
    static func states(_ bench: Bench) async throws -> [String] {
        try await bench.store.kernelRead(bench.reason) { db in
            try db.rows(SQL("states", "SELECT key || ' ' || state || ' ' || attempt FROM store_job ORDER BY key, created_at, id"))
                .map { try $0.text(0) }
        }
    }

    @Test("a job runs when it is due and not before, with its payload, its cause and the time of the run") func due() async throws {
        let bench = try await Bench()
        let seen = Tally()
        let runner = JobTests.runner(
            bench,
            [
                JobHandler("test.work") { delivery, act in
                    seen.add("\(try delivery.decode([String: String].self)) \(delivery.attempt) \(act.requestID) \(act.now)")
                }
            ])
        try await JobTests.enqueue(bench, "a", after: .minutes(5))
        #expect(try await runner.runDue() == 0)
        bench.clock.advance(by: .minutes(5))
        #expect(try await runner.runDue() == 1)
        #expect(seen.all == ["[\"key\": \"a\"] 1 request-1 \(bench.clock.now())"])
        #expect(try await JobTests.states(bench) == ["a done 1"])
        await bench.close()
    }

    @Test("what a process that died held under lease is due at once, and dead after its last attempt") func takeOver() async throws {
        let bench = try await Bench()
        var rules = JobRules()
        rules.maxAttempts = 2
        let seen = Tally()
        let runner = JobTests.runner(
            bench, [JobHandler("test.work") { delivery, _ in seen.add("\(delivery.key) \(delivery.attempt)") }], rules: rules)
        let now = bench.clock.now()
        func die() async throws {
            let claim = JobClaim(kinds: ["test.work"], now: now, leaseUntil: now + .minutes(1), limit: 9, maxAttempts: 2)
            _ = try await bench.store.kernel(bench.reason) { try $0.ledger.claim(claim) }
        }
        try await JobTests.enqueue(bench, "a")
        try await die()
        #expect(try await runner.runDue() == 0, "the lease holds")
        try await runner.takeOver()
        try await JobTests.enqueue(bench, "b")
        #expect(try await runner.runDue() == 2)
        #expect(seen.all.sorted() == ["a 2", "b 1"])
        try await JobTests.enqueue(bench, "c")
        try await die()
        try await runner.takeOver()
        try await die()
        try await runner.takeOver()
        #expect(try await JobTests.states(bench) == ["a done 2", "b done 1", "c dead 2"])
        await bench.close()
    }

    @Test("a key is one job while it is not done, and free again after") func keys() async throws {
        let bench = try await Bench()
        let seen = Tally()
        let runner = JobTests.runner(bench, [JobHandler("test.work") { delivery, _ in seen.add(delivery.key) }])
        for _ in 0..<3 { try await JobTests.enqueue(bench, "a") }
        try await JobTests.enqueue(bench, "b")
        #expect(try await runner.runDue() == 2)
        try await JobTests.enqueue(bench, "a")
        #expect(try await runner.runDue() == 1)
        #expect(seen.all.sorted() == ["a", "a", "b"])
        await bench.close()
    }

    @Test("a failing job comes again later and later, then is dead with the reason, and can be revived") func backoff() async throws {
        let bench = try await Bench()
        let log = Tally()
        let works = Mutex(false)
        var rules = JobRules()
        rules.maxAttempts = 4
        let runner = JobTests.runner(
            bench, [JobHandler("test.work") { _, _ in if !works.withLock({ $0 }) { throw Broken() } }], rules: rules, log: log)
        try await JobTests.enqueue(bench, "a")
        var waits: [Duration] = []
        for attempt in 1...4 {
            #expect(try await runner.runDue() == 1)
            guard attempt < 4 else { break }
            let begun = bench.clock.now()
            while try await runner.runDue() == 0, bench.clock.now() - begun < .hours(1) {
                bench.clock.advance(by: .milliseconds(50))
                if try await JobTests.states(bench) != ["a due \(attempt)"] { break }
                if let next = try await bench.store.kernelRead(bench.reason, { try $0.ledger.nextDue(kinds: ["test.work"]) }),
                    next > bench.clock.now()
                {
                    bench.clock.advance(by: next - bench.clock.now() - .milliseconds(1))
                    #expect(try await runner.runDue() == 0, "ran before its time")
                    waits.append(next - begun)
                    bench.clock.advance(by: .milliseconds(1))
                    break
                }
            }
        }
        #expect(waits.count == 3)
        for (index, wait) in waits.enumerated() {
            let full = Duration.seconds(1 << index)
            #expect(wait <= full && wait >= full / 2, "\(waits)")
        }
        let dead = try await runner.dead()
        #expect(dead.map(\.key) == ["a"] && dead.map(\.attempts) == [4])
        #expect(dead.first?.reason.contains("attempt 4 of 4 failed: Broken()") == true)
        #expect(log.all.last?.contains("is dead") == true)
        bench.clock.advance(by: .days(30))
        #expect(try await runner.runDue() == 0)
        try await JobTests.enqueue(bench, "a")
        #expect(try await runner.runDue() == 0, "a dead job still holds its key")
        works.withLock { $0 = true }
        let id = try #require(dead.first).id
        #expect(try await runner.retry(id))
        #expect(try await runner.runDue() == 1)
        #expect(!(try await runner.retry(id)))
        #expect(try await JobTests.states(bench) == ["a done 1"])
        await bench.close()
    }

    @Test("the delay doubles to its cap and loses at most half by chance") func delays() {
        let backoff = Backoff(first: .seconds(2), cap: .minutes(10))
        for (attempt, seconds) in [(1, 2), (2, 4), (3, 8), (8, 256), (9, 512), (10, 600), (60, 600), (1_000, 600)] {
            #expect(backoff.delay(attempt: attempt, jitter: 0) == .seconds(seconds))
            #expect(backoff.delay(attempt: attempt, jitter: .max) == .seconds(seconds) / 2)
            let middle = backoff.delay(attempt: attempt, jitter: 32_768)
            #expect(middle > .seconds(seconds) / 2 && middle < .seconds(seconds))
        }
    }

    @Test("a permanent failure is dead at once") func permanent() async throws {
        let bench = try await Bench()
        let runner = JobTests.runner(bench, [JobHandler("test.work") { _, _ in throw PermanentFailure("there is no such customer") }])
        try await JobTests.enqueue(bench, "a")
        #expect(try await runner.runDue() == 1)
        #expect(try await runner.dead().map(\.reason) == ["there is no such customer"])
        await bench.close()
    }

    @Test("an attempt that outlives its lease settles nothing and undoes its work; the next attempt does it once") func lease() async throws
    {
        let bench = try await Bench()
        let a = bench.tenant(1)
        let faults = Tally()
        let runner = JobTests.runner(
            bench,
            [
                JobHandler("test.work") { delivery, _ in
                    if delivery.attempt == 1 { bench.clock.advance(by: .seconds(61)) }
                    do {
                        try await bench.store.tenant(a) { db in
                            try db.run(NoteTable.insert, db.tenant, bench.uuid(UInt8(delivery.attempt)), "attempt \(delivery.attempt)")
                            try db.settle(delivery)
                        }
                    } catch {
                        faults.add("\(error)")
                        throw error
                    }
                }
            ])
        try await JobTests.enqueue(bench, "a")
        #expect(try await runner.runDue() == 1)
        bench.clock.advance(by: .minutes(1))
        #expect(try await runner.runDue() == 1)
        #expect(faults.all == ["the lease of test.work a is lost"])
        let notes = try await bench.store.tenantRead(a) { try $0.rows(NoteTable.all).map { try $0.text(0) } }
        #expect(notes == ["attempt 2"])
        #expect(try await JobTests.states(bench) == ["a done 2"])
        await bench.close()
    }

    @Test("an attempt whose job was taken over settles nothing, however late it comes") func takenOver() async throws {
        let bench = try await Bench()
        try await JobTests.enqueue(bench, "a")
        func claim() async throws -> Delivery {
            let now = bench.clock.now()
            let claim = JobClaim(kinds: ["test.work"], now: now, leaseUntil: now + .seconds(60), limit: 1, maxAttempts: 3)
            let jobs = try await bench.store.kernel(bench.reason) { try $0.ledger.claim(claim) }
            return try #require(jobs.first).delivery
        }
        let first = try await claim()
        bench.clock.advance(by: .seconds(60))
        let second = try await claim()
        #expect((first.id, first.attempt, second.attempt) == (second.id, 1, 2) && first.leaseToken != second.leaseToken)
        await #expect(throws: StoreFault.self) { try await bench.store.kernel(bench.reason) { try $0.settle(first) } }
        #expect(!(try await bench.store.kernel(bench.reason) { try $0.ledger.bury(first, reason: "late", now: bench.clock.now()) }))
        #expect(!(try await bench.store.kernel(bench.reason) { try $0.ledger.postpone(first, until: bench.clock.now(), reason: "late") }))
        try await bench.store.kernel(bench.reason) { try $0.settle(second) }
        await #expect(throws: StoreFault.self) { try await bench.store.kernel(bench.reason) { try $0.settle(second) } }
        #expect(try await JobTests.states(bench) == ["a done 2"])
        await bench.close()
    }

    @Test("a job that takes its process down every time is dead after its attempts") func poison() async throws {
        let bench = try await Bench()
        try await JobTests.enqueue(bench, "a")
        var claims = 0
        for _ in 0..<9 {
            let now = bench.clock.now()
            let claim = JobClaim(kinds: ["test.work"], now: now, leaseUntil: now + .seconds(60), limit: 1, maxAttempts: 3)
            claims += try await bench.store.kernel(bench.reason) { try $0.ledger.claim(claim) }.count
            bench.clock.advance(by: .seconds(61))
        }
        #expect(claims == 3)
        let dead = try await JobTests.runner(bench, []).dead()
        #expect(dead.map(\.reason) == ["the lease of attempt 3 ran out"])
        await bench.close()
    }

    @Test("settled in its own transaction, an effect happens once though its handler fails afterwards") func settledThenFailed()
        async throws
    {
        let bench = try await Bench()
        let a = bench.tenant(1)
        let runner = JobTests.runner(
            bench,
            [
                JobHandler("test.work") { delivery, _ in
                    try await bench.store.tenant(a) { db in
                        try db.run(NoteTable.insert, db.tenant, bench.uuid(UInt8(delivery.attempt)), "done")
                        try db.settle(delivery)
                    }
                    throw Broken()
                }
            ])
        try await JobTests.enqueue(bench, "a")
        #expect(try await runner.runDue() == 1)
        bench.clock.advance(by: .days(1))
        #expect(try await runner.runDue() == 0)
        #expect(try await bench.store.tenantRead(a) { try $0.rows(NoteTable.all).count } == 1)
        await bench.close()
    }

    @Test("runners of two processes share the work, each job once") func twoProcesses() async throws {
        let bench = try await Bench()
        let other = bench.with(try bench.another())
        for number in 0..<60 { try await JobTests.enqueue(bench, "\(number)") }
        let seen = Tally()
        let runners = [bench, other].map { some in
            JobTests.runner(
                some,
                [
                    JobHandler("test.work") { delivery, _ in
                        try await some.store.kernel(some.reason) { db in
                            try db.settle(delivery)
                            seen.add(delivery.key)
                        }
                    }
                ])
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for runner in runners { group.addTask { try await runner.runDue() } }
            try await group.waitForAll()
        }
        #expect(seen.all.count == 60 && Set(seen.all).count == 60)
        await other.store.close()
        await bench.close()
    }

    @Test("no more attempts are in flight than the rules allow") func concurrency() async throws {
        let bench = try await Bench()
        var rules = JobRules()
        rules.concurrency = 3
        let flight = Mutex((now: 0, most: 0))
        let runner = JobTests.runner(
            bench,
            [
                JobHandler("test.work") { _, _ in
                    flight.withLock { flight in
                        flight.now += 1
                        flight.most = max(flight.most, flight.now)
                    }
                    for _ in 0..<20 { await Task.yield() }
                    flight.withLock { $0.now -= 1 }
                }
            ], rules: rules)
        for number in 0..<20 { try await JobTests.enqueue(bench, "\(number)") }
        #expect(try await runner.runDue() == 20)
        #expect(flight.withLock { $0.most } <= 3)
        await bench.close()
    }

    @Test("each subscriber has its own delivery: one that fails does not hold up the other") func fanOut() async throws {
        let bench = try await Bench(topics: ["test.happened": ["left", "right"]])
        let seen = Tally()
        let runner = JobRunner(
            store: bench.store, handlers: [],
            subscribers: [
                EventSubscriber(Happened.self, subscriber: "left") { _, delivery, _ in
                    if delivery.attempt == 1 { throw Broken() } else { seen.add("left") }
                },
                EventSubscriber(Happened.self, subscriber: "right") { event, delivery, _ in
                    seen.add("right \(event.what) \(delivery.tenant == bench.tenant(1))")
                },
            ], clock: bench.clock, entropy: bench.entropy)
        let act = bench.act
        try await bench.store.tenant(bench.tenant(1)) { try $0.emit(Happened(what: "x"), act) }
        #expect(try await runner.runDue() == 2)
        #expect(seen.all == ["right x true"])
        bench.clock.advance(by: .seconds(1))
        #expect(try await runner.runDue() == 1)
        #expect(seen.all == ["right x true", "left"])
        await bench.close()
    }

    @Test("kinds that nobody serves stay, and show in the backlog") func backlog() async throws {
        let bench = try await Bench()
        try await JobTests.enqueue(bench, "a", kind: "test.orphan")
        let runner = JobTests.runner(bench, [])
        #expect(try await runner.runDue() == 0)
        #expect(try await runner.backlog() == [JobBacklog(kind: "test.orphan", due: 1, leased: 0, dead: 0, oldestDue: bench.clock.now())])
        await bench.close()
    }

    @Test("a tenant's scope neither claims jobs nor makes them for another tenant") func scope() async throws {
        let bench = try await Bench()
        let (a, b) = (bench.tenant(1), bench.tenant(2))
        let act = bench.act
        let claim = JobClaim(kinds: ["x"], now: act.now, leaseUntil: act.now, limit: 1, maxAttempts: 1)
        await #expect(throws: StoreFault.self) { try await bench.store.tenant(a) { _ = try $0.ledger.claim(claim) } }
        await #expect(throws: StoreFault.self) {
            try await bench.store.tenant(a) { try $0.enqueue(try NewJob("x", key: "x", tenant: b, payload: "x", runAt: act.now), act) }
        }
        await bench.close()
    }

    @Test("the service takes a new job at once, and ends only when what is in flight has finished") func service() async throws {
        let bench = try await Bench()
        let (started, start) = AsyncStream.makeStream(of: String.self)
        let gate = Gate()
        let done = Tally()
        let runner = JobTests.runner(
            bench,
            [
                JobHandler("test.work") { delivery, _ in
                    start.yield(delivery.key)
                    if delivery.key == "slow" { await gate.pass() }
                    #expect(!Task.isCancelled)
                    done.add(delivery.key)
                }
            ])
        let service = Task { await runner.run() }
        var arrivals = started.makeAsyncIterator()
        try await JobTests.enqueue(bench, "quick")
        #expect(await arrivals.next() == "quick")
        try await JobTests.enqueue(bench, "slow")
        #expect(await arrivals.next() == "slow")
        service.cancel()
        gate.open()
        await service.value
        try await JobTests.enqueue(bench, "too late")
        #expect(done.all == ["quick", "slow"])
        #expect(try await JobTests.states(bench).sorted() == ["quick done 1", "slow done 1", "too late due 0"])
        await bench.close()
    }

    @Test("upkeep seals journals, sweeps what is past its time, and goes on by itself") func upkeep() async throws {
        let bench = try await Bench()
        let upkeep = StoreUpkeep(store: bench.store, signer: JournalTests.sign)
        let runner = JobTests.runner(bench, upkeep.storeJobs() + [JobHandler("test.work") { _, _ in }])
        try await upkeep.schedule(bench.act)
        try await upkeep.schedule(bench.act)
        let act = bench.act
        try await bench.store.tenant(bench.tenant(1)) { try $0.journal(JournalEntry("x.done", subject: "x"), act) }
        try await JobTests.enqueue(bench, "old")
        let claimed = Act(
            actor: .anonymous, requestID: "r", now: bench.clock.now(), idempotency: IdempotencyClaim(key: "k", scope: "s", fingerprint: [1])
        )
        try await bench.store.tenant(bench.tenant(1)) { _ = try $0.once(claimed) { "x" } }
        #expect(try await runner.runDue() == 4)
        let report = try await JournalKeeper(store: bench.store).verify(bench.tenant(1).uuid, isSigned: JournalTests.isSigned)
        #expect(report.isIntact && report.checkpoints == 1 && report.uncovered == 0)
        func count(_ text: String) async throws -> Int {
            try await bench.store.kernelRead(bench.reason) { try $0.row(SQL("count", text))?.int(0) ?? -1 }
        }
        #expect(try await count("SELECT count(*) FROM store_idempotency") == 1)
        for hour in 1...25 {
            bench.clock.advance(by: .hours(1))
            #expect(try await runner.runDue() == (hour == 24 ? 3 : 2))
        }
        #expect(try await count("SELECT count(*) FROM store_idempotency") == 0)
        #expect(try await count("SELECT count(*) FROM store_job WHERE kind = 'test.work'") == 1)
        bench.clock.advance(by: .days(7))
        #expect(try await runner.runDue() == 3)
        #expect(try await count("SELECT count(*) FROM store_job WHERE kind = 'test.work'") == 0)
        await bench.close()
    }
}

/// Closed until it is opened, once.
final class Gate: Sendable {
    private let state = Mutex<(isOpen: Bool, waiting: [CheckedContinuation<Void, Never>])>((false, []))
    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.withLock { state in
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }
    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}
