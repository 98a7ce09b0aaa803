import Foundation
import LicenseTesting
import Synchronization
import Testing
import Vocabulary

@testable import LicenseClient

/// A seat that leaves the network: to its end and no longer, on its device alone, by a clock that only goes on.
struct BorrowTests {
    /// A server that lends for as long as it is asked, from the bench's first moment.
    final class Lender: Sendable {
        let bench = SeatKeeperTests.bench()
        let maker: FileMaker
        let usual: ScriptedPlatform.Handler
        private let files: [Int64: JSONValue]
        private let refusals = Mutex<[String: (Int, JSONValue)]>([:])

        init(_ hardware: String = "hw") async throws {
            maker = try await FileMaker(for: [hardware], issuedAt: bench.clock.now())
            let start = bench.clock.now()
            var files: [Int64: JSONValue] = [:]
            for hours: Int64 in [24, 48] { files[hours] = try await maker.borrowed(hardware, issuedAt: start, hours: hours) }
            self.files = files
            usual = SeatKeeperTests.usual(bench.platform)
            open()
        }
        func open() {
            bench.platform.answer { [self] asked in
                if let refusal = refusals.withLock({ $0[String(asked.path.split(separator: "/").last ?? "")] }) { return refusal }
                switch asked.path {
                case "/api/v1/licenses/borrow":
                    let hours = asked.body["hours"]?.int ?? 0
                    return (200, ["license_id": .string(maker.license.description), "session_id": "s-1", "file": files[hours] ?? nil])
                case "/.well-known/coditect/license-keys.json": return (200, maker.ring.licenseKeysDocument())
                default: return usual(asked)
                }
            }
        }
        func close() { bench.platform.answer { _ in nil } }
        func refuse(_ name: String, _ answer: (Int, JSONValue)?) { refusals.withLock { $0[name] = answer } }
        func seat() throws -> (SeatKeeper, LicenseClient) {
            let client = try bench.client()
            let keeper = bench.keeper(client)
            keeper.drive(.start)
            return (keeper, client)
        }
    }

    @Test("a borrowed seat is used without the server to its end and not a second longer, and one attempt finds that the server is away")
    func life() async throws {
        let lender = try await Lender()
        let client = try lender.bench.client()
        let borrowing = try client.borrow(hours: 24)
        #expect(borrowing.license == lender.maker.license.description && borrowing.session == "s-1")
        #expect(borrowing.until == Date(timeIntervalSince1970: Double((lender.bench.clock.now() + .hours(24)).seconds)))
        #expect(lender.bench.platform.count("/release") == 0)
        lender.close()
        lender.bench.clock.pass(.hours(23))
        let before = lender.bench.platform.count("/acquire")
        let (keeper, _) = try lender.seat()
        #expect(lender.bench.told() == ["borrowed"])
        #expect(lender.bench.platform.count("/acquire") == before + 1)
        lender.bench.pass(.hours(1) - .seconds(1), keeper)
        #expect(lender.bench.told() == [])
        // The very moment, whatever the pauses between attempts.
        lender.bench.pass(.seconds(2), keeper)
        #expect(lender.bench.told() == ["lost"])
        guard case .lost(let error, _, _) = keeper.state else {
            Issue.record("\(keeper.state)")
            return
        }
        #expect(error.code == .borrowEnded && error.message.contains("the borrowed seat ended on 2027-01-16 08:00 UTC"))
        #expect(try Self.refusal { _ = try client.borrowed() }?.code == .borrowEnded)
        let (late, _) = try lender.seat()
        lender.bench.pass(.minutes(1), late)
        guard case .ended(let refusal) = late.state else {
            Issue.record("\(late.state)")
            return
        }
        #expect(refusal.code == .borrowEnded)
    }
    static func refusal(_ body: () throws -> Void) throws -> LicenseClientError? { HardwareTests.refusal(body) }

    @Test("a clock set back does not lengthen it, in this process or the next, and the server makes it good")
    func clock() async throws {
        let lender = try await Lender()
        _ = try lender.bench.client().borrow(hours: 48)
        lender.close()
        lender.bench.clock.pass(.hours(40))
        let (keeper, client) = try lender.seat()
        lender.bench.clock.step(.hours(-30))
        #expect(try Self.refusal { _ = try client.borrowed() }?.code == .clockSetBack)
        lender.bench.pass(.minutes(5), keeper)
        #expect(lender.bench.told() == ["borrowed", "lost"])
        #expect(try Self.refusal { _ = try lender.bench.client().borrowed() }?.code == .clockSetBack)
        // Before it was lent.
        lender.bench.clock.step(.hours(-11))
        #expect(try Self.refusal { _ = try client.borrowed() }?.code == .clockBehind)
        lender.bench.clock.step(.hours(11))
        lender.open()
        _ = try lender.seat()
        // What the server's clock says now is where the next step back is counted from: 40 hours in, the wrong clock is still wrong.
        #expect(try Self.refusal { _ = try client.borrowed() }?.code == .clockSetBack)
        lender.bench.clock.step(.hours(30))
        #expect(try client.borrowed() != nil)
        // A clock that ran ahead for a while is not held against the device once the server was asked.
        lender.bench.clock.step(.hours(7))
        #expect(try client.borrowed() != nil)
        lender.bench.clock.step(.hours(-7))
        #expect(try Self.refusal { _ = try client.borrowed() }?.code == .clockSetBack)
        _ = try lender.seat()
        #expect(try client.borrowed() != nil)
    }

    @Test("the file is another device's, another signer's, changed or damaged: refused, each with its code")
    func refused() async throws {
        let lender = try await Lender()
        let client = try lender.bench.client()
        _ = try client.borrow(hours: 24)
        let folder = lender.bench.folder.appendingPathComponent("borrowed")
        let path = folder.appendingPathComponent(HeldSeat.name("https://example.com", "hw"))
        let good = try String(contentsOf: path, encoding: .utf8)
        #expect(try lender.bench.client { $0.device = "other" }.borrowed() == nil)
        try Data(good.utf8).write(to: folder.appendingPathComponent(HeldSeat.name("https://example.com", "other")))
        #expect(try Self.refusal { _ = try lender.bench.client { $0.device = "other" }.borrowed() }?.code == .otherDevice)
        try Data(good.replacing("2027-01-16T08:00:00Z", with: "2028-01-16T08:00:00Z").utf8).write(to: path)
        #expect(try Self.refusal { _ = try client.borrowed() }?.code == .notAuthentic)
        try Data("{".utf8).write(to: path)
        #expect(try Self.refusal { _ = try client.borrowed() }?.code == .fileDamaged)
        try Data(good.utf8).write(to: path)
        let theirs = try JSONEncoder().encode(try await FileMaker(keys: FileMaker.theirs).ring.licenseKeysDocument())
        #expect(try Self.refusal { _ = try lender.bench.client { $0.publicKeys = theirs }.borrowed() }?.code == .notAuthentic)
        #expect(try client.borrowed() != nil)
    }

    @Test("while it is lent, no process of the device gives it back; returned, it is given back once, and not while somebody uses it")
    func returned() async throws {
        let lender = try await Lender()
        let client = try lender.bench.client()
        #expect(try Self.refusal { try client.returnBorrowed() }?.code == .notBorrowed)
        let (keeper, _) = try lender.seat()
        _ = try client.borrow(hours: 24)
        let busy = try Self.refusal { try client.returnBorrowed() }
        #expect(busy?.code == .deviceBusy && busy?.message.contains("in use by 1 process") == true)
        keeper.release()
        #expect(lender.bench.platform.count("/release") == 0)
        let (again, _) = try lender.seat()
        again.release()
        #expect(lender.bench.platform.count("/release") == 0)
        lender.close()
        let away = try Self.refusal { try client.returnBorrowed() }
        #expect(away?.code == .unreachable && away?.next.contains("comes home by itself") == true)
        #expect(try client.borrowed() != nil)
        lender.open()
        lender.refuse("release", (409, ["error": "borrow_returned_before", "message": "x", "until": "2027-01-20T08:00:00Z"]))
        let before = try Self.refusal { try client.returnBorrowed() }
        #expect(before?.code == .returnedBefore && before?.next.contains("2027-01-20 08:00 UTC") == true)
        lender.refuse("release", nil)
        try client.returnBorrowed()
        #expect(try client.borrowed() == nil)
        let (last, _) = try lender.seat()
        let count = lender.bench.platform.count("/release")
        last.release()
        #expect(lender.bench.platform.count("/release") == count + 1)
    }

    @Test("what is refused keeps no seat that was taken for it, and leaves one that was there")
    func notLent() async throws {
        let lender = try await Lender()
        let client = try lender.bench.client()
        for (answer, code, words) in [
            ((422, ["error": "borrow_too_long", "message": "x", "max_hours": 8] as JSONValue), "borrow_too_long", "at most 8 hours"),
            (
                (409, ["error": "borrow_limit_reached", "message": "x", "borrowed": 9, "borrow_limit": 9]), "borrow_limit_reached",
                "9 of the 9"
            ),
            ((403, ["error": "policy_denied", "message": "x", "reason": "not_on_fridays"]), "policy_denied", "not_on_fridays"),
        ] {
            lender.refuse("borrow", answer)
            let error = try #require(try Self.refusal { _ = try client.borrow(hours: 24) })
            #expect(error.code.rawValue == code && error.message.contains(words), "\(error)")
        }
        #expect(lender.bench.platform.count("/release") == 3)
        let (keeper, _) = try lender.seat()
        _ = try Self.refusal { _ = try client.borrow(hours: 24) }
        #expect(lender.bench.platform.count("/release") == 3, "the seat of a running process was taken along")
        keeper.release()
        for hours in [0, 169, -1] { #expect(try Self.refusal { _ = try client.borrow(hours: hours) }?.code == .borrowTooLong) }
        #expect(try client.borrowed() == nil)
    }

    @Test("a lost answer is asked for again as the same request; one that never comes leaves nothing that would count")
    func lost() async throws {
        let lender = try await Lender()
        let count = Mutex(0)
        let bench = lender.bench
        lender.open()
        let maker = lender.maker
        let usual = lender.usual
        let file = try await maker.borrowed("hw", issuedAt: bench.clock.now(), hours: 24)
        bench.platform.answer { asked in
            switch asked.path {
            case "/api/v1/licenses/borrow":
                count.withLock { $0 += 1 }
                return count.withLock { $0 } == 1 ? nil : (200, ["license_id": "l", "session_id": "s-1", "file": file])
            case "/.well-known/coditect/license-keys.json": return (200, maker.ring.licenseKeysDocument())
            default: return usual(asked)
            }
        }
        _ = try bench.client().borrow(hours: 24)
        let asked = bench.platform.asked.filter { $0.path.hasSuffix("/borrow") }
        #expect(asked.count == 2 && Set(asked.map(\.key)).count == 1 && Set(asked.map(\.bytes)).count == 1)
        bench.platform.answer { asked in asked.path.hasSuffix("/borrow") ? nil : usual(asked) }
        let other = try bench.client { $0.device = "hw2" }
        #expect(try Self.refusal { _ = try other.borrow(hours: 24) }?.code == .unreachable)
        #expect(try other.borrowed() == nil)
    }

    @Test("a folder that was copied to another machine has no borrowed seat there")
    func copied() async throws {
        let (here, there) = (try FakeMachine(1), try FakeMachine(2))
        let id = try DeviceIdentity.find(named: nil, folder: StateFolder(url: here.root), machine: here.machine).id
        let lender = try await Lender(id)
        let client = try lender.bench.client { ($0.device, $0.machine) = (nil, here.machine) }
        _ = try client.borrow(hours: 24)
        lender.close()
        #expect(try client.borrowed() != nil)
        #expect(try lender.bench.client { ($0.device, $0.machine) = (nil, there.machine) }.borrowed() == nil)
        try there.write("etc/machine-id", try #require(here.machine.id))
        #expect(
            try Self.refusal { _ = try lender.bench.client { ($0.device, $0.machine) = (nil, there.machine) }.borrowed() }?.code
                == .otherDevice)
    }
}
