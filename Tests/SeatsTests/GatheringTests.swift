import Foundation
import RoomTesting
import Synchronization
import Testing
import Vocabulary

@testable import Seats

struct GatheringTests {
    private struct Broken: Error, Equatable {}

    /// A store that writes when it is let, and keeps what it was given.
    private final class Desk: Sendable {
        let batches = Mutex<[[Int]]>([])
        let (asked, asks) = AsyncStream<Void>.makeStream()
        let (allowed, allows) = AsyncStream<Result<Void, any Error>>.makeStream()

        @Sendable func write(_ batch: [Int]) async throws -> [String] {
            batches.withLock { $0.append(batch) }
            asks.yield()
            // Like a store that gives a cancelled closure up; whoever is not cancelled waits.
            for await result in allowed {
                try result.get()
                return batch.map { "done \($0)" }
            }
            throw CancellationError()
        }
        func nextIsAsked() async { for await _ in asked { return } }
        func allow(_ result: Result<Void, any Error> = .success(())) { allows.yield(result) }
    }

    private func begin(_ beat: Int, _ batch: Gathering<Int, String>, _ desk: Desk) -> Task<String, any Error> {
        Task { try await batch.submit(beat, write: desk.write) }
    }
    /// Begins these and returns when all of them wait.
    private func wait(_ beats: [Int], _ batch: Gathering<Int, String>, _ desk: Desk) async -> [Task<String, any Error>] {
        let tasks = beats.map { begin($0, batch, desk) }
        while batch.waiting < beats.count { await Task.yield() }
        return tasks
    }

    @Test("what comes while one is written shares the next write, and each gets its own answer")
    func gathers() async throws {
        let (batch, desk) = (Gathering<Int, String>(), Desk())
        let first = begin(1, batch, desk)
        await desk.nextIsAsked()
        let others = await wait([2, 3, 4], batch, desk)
        desk.allow()
        #expect(try await first.value == "done 1")
        await desk.nextIsAsked()
        desk.allow()
        for (task, beat) in zip(others, 2...4) { #expect(try await task.value == "done \(beat)") }
        let batches = desk.batches.withLock { $0 }
        #expect(batches.first == [1] && batches.count == 2 && batches.last.map { Set($0) } == [2, 3, 4])
        // Nobody leads any more: the next one writes at once.
        let last = begin(5, batch, desk)
        await desk.nextIsAsked()
        desk.allow()
        #expect(try await last.value == "done 5")
    }

    @Test("what cannot be written is told to all that shared the write, and to nobody else")
    func fails() async throws {
        let (batch, desk) = (Gathering<Int, String>(), Desk())
        let first = begin(1, batch, desk)
        await desk.nextIsAsked()
        let others = await wait([2, 3], batch, desk)
        desk.allow()
        #expect(try await first.value == "done 1")
        await desk.nextIsAsked()
        let later = await wait([4], batch, desk)
        desk.allow(.failure(Broken()))
        for task in others { await #expect(throws: Broken()) { try await task.value } }
        await desk.nextIsAsked()
        desk.allow()
        #expect(try await later[0].value == "done 4")
    }

    @Test("whoever leads after it has waited is known to have waited")
    func waited() async throws {
        let (batch, desk) = (Gathering<Int, String>(), Desk())
        let first = begin(1, batch, desk)
        await desk.nextIsAsked()
        let waits = Guarded<[Duration]>([])
        let others = [2, 3].map { item in
            Task {
                try await batch.submit(item) { items in
                    waits.with { $0.append(Attendance.waited) }
                    return items.map { "done \($0)" }
                }
            }
        }
        while batch.waiting < 2 { await Task.yield() }
        desk.allow()
        #expect(try await first.value == "done 1")
        for task in others { _ = try await task.value }
        _ = try await batch.submit(4) { items in
            waits.with { $0.append(Attendance.waited) }
            return items.map { "done \($0)" }
        }
        let found = waits.with { $0 }
        #expect(found.count == 2 && found[0] > .zero && found[1] == .zero)
    }

    @Test("a request that is given up while it writes for others takes none of them with it")
    func givenUp() async throws {
        let (batch, desk) = (Gathering<Int, String>(), Desk())
        let first = begin(1, batch, desk)
        await desk.nextIsAsked()
        let written = Mutex<[[Int]]>([])
        let (led, leads) = AsyncStream<Int>.makeStream()
        // The first to write never comes to an end, like a store that is given up by its caller.
        let write: @Sendable ([Int]) async throws -> [String] = { beats in
            let isFirst = written.withLock { written in
                written.append(beats)
                return written.count == 1
            }
            if isFirst {
                leads.yield(beats[0])
                for await _ in AsyncStream<Void>.makeStream().stream {}
                throw CancellationError()
            }
            return beats.map { "done \($0)" }
        }
        let others = [2, 3, 4].map { beat in Task { try await batch.submit(beat, write: write) } }
        while batch.waiting < 3 { await Task.yield() }
        desk.allow()
        #expect(try await first.value == "done 1")
        var turn = led.makeAsyncIterator()
        let leader = try #require(await turn.next())
        others[leader - 2].cancel()
        for (task, beat) in zip(others, 2...4) {
            if beat == leader {
                await #expect(throws: CancellationError.self) { try await task.value }
            } else {
                #expect(try await task.value == "done \(beat)")
            }
        }
        #expect(written.withLock { $0.map(\.count) } == [3, 2])
    }

    @Test("more than may wait are told to come back")
    func full() async throws {
        let (batch, desk) = (Gathering<Int, String>(), Desk())
        let first = begin(0, batch, desk)
        await desk.nextIsAsked()
        let others = await wait(Array(1...16_384), batch, desk)
        do {
            _ = try await batch.submit(16_385, write: desk.write)
            Issue.record("one too many was taken")
        } catch let problem as Problem { #expect(problem.code == SeatProblems.busy.code) }
        desk.allow()
        #expect(try await first.value == "done 0")
        var left = 16_384
        while left > 0 {
            await desk.nextIsAsked()
            left -= desk.batches.withLock { $0.last?.count ?? 0 }
            desk.allow()
        }
        for task in others { #expect(try await task.value.hasPrefix("done ")) }
        #expect(desk.batches.withLock { $0.allSatisfy { $0.count <= 256 } })
    }

    @Test("each tenant has a gathering of its own, for as long as it asks")
    func tenants() async throws {
        let lanes = TenantGatherings<Int, String>(most: 4, longest: 8)
        let (desk, other) = (Desk(), Desk())
        let (one, two) = (TenantID(UUID()), TenantID(UUID()))
        let first = Task { try await lanes.submit(1, of: one, write: desk.write) }
        await desk.nextIsAsked()
        let second = Task { try await lanes.submit(2, of: one, write: desk.write) }
        while lanes.waiting(of: one) < 1 { await Task.yield() }
        // Nobody of another tenant waits for these.
        let third = Task { try await lanes.submit(3, of: two, write: other.write) }
        await other.nextIsAsked()
        #expect(lanes.tenants == 2)
        other.allow()
        #expect(try await third.value == "done 3")
        #expect(lanes.tenants == 1)
        desk.allow()
        #expect(try await first.value == "done 1")
        await desk.nextIsAsked()
        desk.allow(.failure(Broken()))
        await #expect(throws: Broken()) { try await second.value }
        #expect(lanes.tenants == 0)
    }

    @Test("a writer that answers for fewer than it was given keeps nobody waiting")
    func short() async throws {
        let (batch, desk) = (Gathering<Int, String>(longest: 2), Desk())
        let first = begin(1, batch, desk)
        await desk.nextIsAsked()
        let others = [2, 3].map { item in Task { try await batch.submit(item) { _ in ["done"] } } }
        while batch.waiting < 2 { await Task.yield() }
        do {
            _ = try await batch.submit(4, write: desk.write)
            Issue.record("more were taken than may wait")
        } catch let problem as Problem { #expect(problem.code == SeatProblems.busy.code) }
        desk.allow()
        #expect(try await first.value == "done 1")
        for task in others { await #expect(throws: (any Error).self) { try await task.value } }
        #expect(try await batch.submit(5) { _ in ["done 5"] } == "done 5")
    }
}
