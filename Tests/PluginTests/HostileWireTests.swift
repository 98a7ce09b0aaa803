import Dispatch
import Foundation
import PluginHost
import PluginKit
import PluginWire
import Synchronization
import Testing

@testable import PluginWire

/// Numbers that look like chance and are the same in each run.
private struct Dice: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
    mutating func bytes(_ count: Int) -> Data { Data((0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }) }
}

/// What may come over the wire between server and child, from a side that has gone bad.
@Suite(.timeLimit(.minutes(5))) struct HostileWireTests {
    private func frame(_ dice: inout Dice) -> Frame {
        let kinds: [Frame.Kind] = [.call, .answer, .failure, .cancel, .note]
        return Frame(
            kinds[Int.random(in: 0..<5, using: &dice)], method: UInt16.random(in: 0...140, using: &dice),
            id: UInt64.random(in: 0...60, using: &dice), payload: dice.bytes(Int.random(in: 0...40, using: &dice)))
    }
    private func feed(_ reader: inout FrameReader, _ bytes: Data) throws(WireFault) -> [Frame] {
        // A typed throw does not cross the closure.
        let found: Result<[Frame], WireFault> = bytes.withUnsafeBytes { buffer in
            do throws(WireFault) { return .success(try reader.feed(buffer)) } catch { return .failure(error) }
        }
        return try found.get()
    }

    @Test("however a stream is cut, the same 50,000 frames come out of it, and nothing else")
    func cuts() throws {
        var dice = Dice(state: 1)
        var reader = FrameReader(maxPayload: 64)
        var sent: [Frame] = []
        var got: [Frame] = []
        var stream = Data()
        for number in 0..<50_000 {
            let frame = frame(&dice)
            sent.append(frame)
            stream.append(frame.bytes)
            if number % 100 == 99 {
                while !stream.isEmpty {
                    let count = Int.random(in: 1...min(stream.count, 300), using: &dice)
                    got += try feed(&reader, Data(stream.prefix(count)))
                    stream = Data(stream.dropFirst(count))
                }
            }
        }
        #expect(got == sent)
    }

    @Test("50,000 frames with a changed byte, a false length or nothing but noise are frames of known kinds and bounded size, or a fault")
    func noise() {
        var dice = Dice(state: 2)
        var faults = 0
        for number in 0..<50_000 {
            var reader = FrameReader(maxPayload: 64)
            var bytes = number % 3 == 0 ? dice.bytes(Int.random(in: 0...80, using: &dice)) : frame(&dice).bytes
            if number % 3 == 1 { bytes[Int.random(in: 0..<Frame.headBytes, using: &dice)] = UInt8(truncatingIfNeeded: dice.next()) }
            if number % 3 == 2 { bytes = Data(bytes.dropLast(Int.random(in: 0...5, using: &dice))) + frame(&dice).bytes }
            do {
                for frame in try feed(&reader, bytes) { #expect(frame.payload.count <= 64) }
            } catch { faults += 1 }
        }
        #expect(faults > 10_000, "noise is hardly ever a frame")
    }

    @Test("100,000 payloads that are no such value are faults, never a crash, and never more than was sent")
    func payloads() {
        var dice = Dice(state: 3)
        let proper =
            (try? WireCoder.encode(ToHost.Entry(key: ToHost.Key(tenant: "t", key: "k"), value: Data(count: 9), expected: nil))) ?? Data()
        var taken = 0
        for number in 0..<100_000 {
            var bytes = number % 2 == 0 ? proper : dice.bytes(Int.random(in: 0...60, using: &dice))
            if number % 2 == 0 { bytes[Int.random(in: 0..<bytes.count, using: &dice)] ^= UInt8.random(in: 1...255, using: &dice) }
            if let entry = try? WireCoder.decode(ToHost.Entry.self, from: bytes) {
                #expect(entry.value.count <= bytes.count)
                taken += 1
            }
        }
        #expect(taken < 50_000)
    }

    /// Two ends: ours, which is a `Wire` with a desk, and the bare socket of the other side.
    private func end(_ desk: WireDesk) throws -> (wire: Wire, other: Int32, ended: Task<WireEnd, Never>) {
        var ends: [Int32] = [0, 0]
        #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        let wire = try Wire(socket: ends[0], maxPayload: 4_096)
        let ended = Slot<WireEnd>()
        let over = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            ended.value = wire.run(desk)
            over.signal()
        }
        let task = Task {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    over.wait()
                    continuation.resume(returning: ended.value ?? WireEnd("nothing"))
                }
            }
        }
        return (wire, ends[1], task)
    }
    private func write(_ bytes: Data, to socket: Int32) {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return }
            rest = Data(rest.dropFirst(count))
        }
    }
    private func desk(_ answered: @escaping @Sendable () -> Void = {}) -> WireDesk {
        var desk = WireDesk(maxCalls: 8)
        desk.atOnce(WireCall<Nothing, Nothing>(1)) {
            answered()
            return $0
        }
        desk.on(WireCall<Nothing, Nothing>(2)) { _ in
            try await Task.sleep(for: .seconds(3_600))
            return Nothing()
        }
        desk.on(WireNote<String>(3)) { _ in }
        return desk
    }

    @Test("2,000 streams of hostile frames end each wire with a reason, from either side, and whoever waited hears it")
    func streams() async throws {
        for seed in 0..<2_000 {
            var dice = Dice(state: UInt64(seed) &+ 1_000)
            let (wire, other, ended) = try end(desk())
            let waiting = Task { try await wire.call(WireCall<Nothing, Nothing>(9), Nothing()) }
            var bytes = Data()
            for _ in 0..<20 { bytes.append(frame(&dice).bytes) }
            // A last frame that no stream survives.
            bytes.append(Data([0xff, 0xff, 0xff, 0xff, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))
            write(bytes, to: other)
            let reason = await ended.value
            #expect(reason.description.contains("it broke the protocol"), "\(seed): \(reason)")
            await #expect(throws: (any Error).self) { _ = try await waiting.value }
            close(other)
        }
    }

    @Test("what breaks the protocol ends the wire with its sentence")
    func sentences() async throws {
        let nothing = try WireCoder.encode(Nothing())
        let cases: [(String, [Frame], String)] = [
            ("an answer to no call", [Frame(.answer, id: 7, payload: nothing)], "it answered what nobody asked"),
            ("a failure of no call", [Frame(.failure, id: 7, payload: nothing)], "it answered what nobody asked"),
            ("a call of nothing", [Frame(.call, method: 99, id: 1, payload: nothing)], "it asked for what there is not: 99"),
            (
                "one number twice", [Frame(.call, method: 1, id: 5, payload: nothing), Frame(.call, method: 1, id: 5, payload: nothing)],
                "it used a number twice"
            ),
            ("a note that nobody hears", [Frame(.note, method: 9, payload: nothing)], "it told of what nobody hears"),
            ("a note with a number", [Frame(.note, method: 3, id: 1, payload: nothing)], "it told of what nobody hears"),
            ("a payload of another type", [Frame(.note, method: 3, payload: nothing)], "a payload that is no String"),
            ("a payload that is cut off", [Frame(.call, method: 1, id: 1, payload: Data([9, 9, 9, 9]))], "a payload that is cut off"),
        ]
        for (what, frames, sentence) in cases {
            let (_, other, ended) = try end(desk())
            for frame in frames { write(frame.bytes, to: other) }
            let reason = await ended.value
            #expect(reason.description.contains(sentence), "\(what): \(reason)")
            close(other)
        }
    }

    @Test("an answer that comes after its call was given up by its caller's time-out is taken once; a second one ends the wire")
    func lateAnswers() async throws {
        let (wire, other, ended) = try end(desk())
        let blocked = Task {
            await withCheckedContinuation { continuation in
                Thread.detachNewThread {
                    continuation.resume(
                        returning: Result { try wire.callBlocking(WireCall<Nothing, Nothing>(9), Nothing(), limit: .milliseconds(1)) })
                }
            }
        }
        guard case .failure(let error) = await blocked.value else { throw PluginRefusal("nobody answered, and yet there is an answer") }
        #expect(error as? WireEnd == WireEnd("it did not answer in time"))
        let answer = Frame(.answer, id: 1, payload: try WireCoder.encode(Nothing())).bytes
        write(answer + answer, to: other)
        #expect(await ended.value.description.contains("it answered what nobody asked"))
        close(other)
    }

    @Test("of a thousand calls at once eight are served and the rest refused; half a frame afterwards keeps nobody from an answer")
    func manyCalls() async throws {
        let counted = Mutex(0)
        let (_, other, ended) = try end(desk { counted.withLock { $0 += 1 } })
        let nothing = try WireCoder.encode(Nothing())
        var bytes = Data()
        for id in 1...1_000 { bytes.append(Frame(.call, method: 2, id: UInt64(id), payload: nothing).bytes) }
        bytes.append(Frame(.call, method: 1, id: 1_001, payload: nothing).bytes)
        write(bytes + Data([9, 0, 0, 0, 1]), to: other)
        var reader = FrameReader(maxPayload: 4_096)
        var answers: [Frame] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while answers.count < 993 {
            let count = recv(other, &buffer, buffer.count, 0)
            guard count > 0 else { throw PluginRefusal("it ended") }
            answers += try feed(&reader, Data(buffer.prefix(count)))
        }
        #expect(answers.count { $0.kind == .failure } == 992 && counted.withLock { $0 } == 1)
        #expect(answers.last.map { $0.kind == .answer && $0.id == 1_001 } == true)
        close(other)
        #expect(await ended.value.description.contains("the socket closed"))
    }

    // MARK: - In the middle of what is no charge

    private func outcome(_ call: () async throws -> Void) async -> PaymentOutcome? {
        do {
            try await call()
            return nil
        } catch { return (error as? PaymentProviderError)?.outcome }
    }

    @Test(
        "a child that dies, hangs or breaks the protocol in the middle of a refund or a change leaves the outcome unknown, and is at work again",
        arguments: ["segfaults", "kills_itself", "eats_memory", "writes_garbage", "hangs"])
    func refundsAndChanges(_ way: String) async throws {
        let bench = try Bench(.process)
        bench.set("isolation_call_seconds", 5)
        try bench.place()
        let host = bench.host()
        #expect(await host.load().refused == [])
        let provider = try #require(host.paymentProvider("misbehaving"))
        let price = Money(amountMinor: 2_900, currency: try #require(Currency("USD")))
        func refund(_ payment: String) async throws -> Refund {
            try await provider.refund(RefundRequest(payment: payment, amount: nil, reason: .duplicate, idempotencyKey: "k"))
        }
        func change(_ subscription: String) async throws -> SubscriptionFact {
            try await provider.changeSubscription(
                SubscriptionChange(
                    subscription: subscription, tier: "team", interval: .month, quantity: 2, unitPrice: price, providerPrice: nil,
                    idempotencyKey: "k"))
        }
        func hurried(_ deaths: Int) async {
            while host.children.first?.deaths != deaths {
                if way == "hangs" { bench.clock.advance(by: .seconds(1)) }
                await Task.yield()
            }
        }
        async let first = outcome { _ = try await refund(way) }
        await hurried(1)
        #expect(await first == .unknown)
        await bench.revived(host, deaths: 1)
        async let second = outcome { _ = try await change(way) }
        await hurried(2)
        #expect(await second == .unknown)
        await bench.revived(host, deaths: 2)
        #expect(try await refund("pi_1").fact.refund == "re_1")
        #expect(try await change("sub_1").subscription == "sub_1")
        await host.stop()
    }
}
