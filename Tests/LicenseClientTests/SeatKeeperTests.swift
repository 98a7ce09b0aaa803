import Foundation
import Synchronization
import Testing
import Vocabulary

@testable import LicenseClient

/// The whole client but for network and time.
struct SeatKeeperTests {
    static func usual(_ platform: ScriptedPlatform) -> ScriptedPlatform.Handler {
        { [clock = platform.clock] asked in
            switch asked.path {
            case "/api/v1/licenses/acquire": ScriptedPlatform(clock, { _ in nil }).seat()
            case "/api/v1/licenses/heartbeat": (200, ["status": "ok", "expires_in": 360, "epoch": 1])
            default: (200, ["status": "released"])
            }
        }
    }
    static func bench() -> Bench {
        let bench = Bench { _ in nil }
        bench.platform.answer(usual(bench.platform))
        return bench
    }

    @Test("a lost answer is asked for again under the same key and with the same bytes")
    func lostAnswer() throws {
        let bench = Self.bench()
        let lost = Mutex(1)
        let usual = Self.usual(bench.platform)
        bench.platform.answer { asked in
            let isLost = lost.withLock { lost in
                defer { lost = max(0, lost - 1) }
                return lost > 0
            }
            return isLost ? nil : usual(asked)
        }
        let keeper = bench.keeper(try bench.client())
        keeper.drive(.start)
        bench.pass(.seconds(2), keeper)
        let asked = bench.platform.asked
        #expect(asked.map(\.path) == ["/api/v1/licenses/acquire", "/api/v1/licenses/acquire"])
        #expect(asked[0].key != nil && asked[0].key == asked[1].key)
        #expect(asked[0].bytes == asked[1].bytes)
        #expect(asked[0].token == "token-1")
        #expect(bench.told() == ["held"])
        keeper.release()
        #expect(bench.platform.count("/release") == 1)
    }

    @Test("the lease's end is counted by the server's clock: a device whose own is hours wrong keeps its seat as long")
    func wrongClock() throws {
        let bench = Self.bench()
        bench.clock.step(.hours(-5))
        let keeper = bench.keeper(try bench.client())
        keeper.drive(.start)
        guard case .held(let lease) = keeper.state else {
            Issue.record("\(keeper.state)")
            return
        }
        #expect(lease.end - bench.clock.monotonic() == .seconds(360))
        bench.clock.step(.days(30))
        bench.pass(.hours(1), keeper)
        #expect(bench.told() == ["held"])
        #expect(bench.platform.count("/heartbeat") >= 12)
        #expect(bench.platform.count("/heartbeat") <= 15)
    }

    @Test("an outage shorter than the lease is one warning; a longer one without a file loses the seat at its end, not before")
    func outage() throws {
        let bench = Self.bench()
        let usual = Self.usual(bench.platform)
        let keeper = bench.keeper(try bench.client())
        keeper.drive(.start)
        bench.platform.answer { _ in nil }
        bench.pass(.seconds(355), keeper)
        bench.platform.answer(usual)
        bench.pass(.seconds(60), keeper)
        #expect(bench.told() == ["held", "unsure", "answered"])
        bench.platform.answer { _ in (503, ["error": "temporarily_unavailable", "message": "Not now."]) }
        let end: Duration
        if case .held(let lease) = keeper.state { end = lease.end } else { end = .zero }
        bench.pass(end - bench.clock.monotonic() - .seconds(1), keeper)
        #expect(bench.told() == ["unsure"])
        bench.pass(.seconds(2), keeper)
        #expect(bench.told() == ["lost"])
        bench.platform.answer(usual)
        bench.pass(.seconds(70), keeper)
        #expect(bench.told() == ["regained"])
    }

    @Test("processes of one device share a lease: one sends heartbeats for all, and the last to go gives it back")
    func shared() throws {
        let bench = Self.bench()
        let (first, second) = (bench.keeper(try bench.client()), bench.keeper(try bench.client()))
        first.drive(.start)
        bench.clock.pass(.seconds(20))
        second.drive(.start)
        bench.pass(.hours(2), first, second)
        #expect(bench.platform.count("/acquire") == 2)
        // One alone sends one each 4 min 30 s: 26 in two hours. Two that knew nothing of each other would send 52.
        #expect(bench.platform.count("/heartbeat") <= 30)
        first.release()
        #expect(bench.platform.count("/release") == 0)
        second.release()
        #expect(bench.platform.count("/release") == 1)
    }

    @Test("a process that had to take a new lease takes the others along")
    func adopted() throws {
        let bench = Self.bench()
        let (first, second) = (bench.keeper(try bench.client()), bench.keeper(try bench.client()))
        first.drive(.start)
        second.drive(.start)
        let usual = Self.usual(bench.platform)
        let platform = bench.platform
        bench.platform.answer { [clock = platform.clock] asked in
            if asked.path.hasSuffix("acquire") { return ScriptedPlatform(clock, { _ in nil }).seat("s-2") }
            if asked.body["session_id"] == "s-1" { return (409, ["error": "lease_expired", "message": "The lease expired."]) }
            return usual(asked)
        }
        bench.pass(.seconds(299), first, second)
        #expect(bench.platform.count("/acquire") == 3)
        for keeper in [first, second] {
            guard case .held(let lease) = keeper.state else {
                Issue.record("\(keeper.state)")
                continue
            }
            #expect(lease.session == "s-2")
        }
        first.release()
        second.release()
        #expect(bench.platform.asked.last?.body == ["session_id": "s-2"])
        #expect(bench.platform.count("/release") == 1)
    }

    /// Two holders of `s-1`, the first of which found it dead after 150 seconds and has `s-2`; the second has heard nothing yet.
    static func parted() throws -> (bench: Bench, first: SeatKeeper, second: SeatKeeper) {
        let bench = Self.bench()
        let (first, second) = (bench.keeper(try bench.client()), bench.keeper(try bench.client()))
        first.drive(.start)
        second.drive(.start)
        let usual = Self.usual(bench.platform)
        bench.platform.answer { [clock = bench.platform.clock] asked in
            if asked.path.hasSuffix("acquire") { return ScriptedPlatform(clock, { _ in nil }).seat("s-2") }
            if asked.body["session_id"] == "s-1" { return (409, ["error": "lease_expired", "message": "The lease expired."]) }
            return usual(asked)
        }
        bench.clock.pass(.seconds(150))
        first.drive(.due)
        return (bench, first, second)
    }

    @Test("another session is taken over however long ago it began, without asking for the dead one")
    func adoptedLate() throws {
        let (bench, _, second) = try Self.parted()
        bench.clock.pass(.seconds(160))
        second.drive(.due)
        #expect(bench.platform.count("/heartbeat") == 1)
        #expect(bench.platform.count("/acquire") == 3)
        guard case .held(let lease) = second.state else {
            Issue.record("\(second.state)")
            return
        }
        #expect(lease.session == "s-2")
    }

    @Test("the last holder gives back the session that lives, even if it never heard of it")
    func givesBackTheNewest() throws {
        let (bench, first, second) = try Self.parted()
        first.release()
        #expect(bench.platform.count("/release") == 0)
        second.release()
        #expect(bench.platform.asked.last?.body == ["session_id": "s-2"])
    }

    @Test("a holder whose process died is not counted, whatever it left behind")
    func dead() throws {
        let bench = Self.bench()
        let folder = StateFolder(url: bench.folder).inner(LicenseClient.holdersFolder("https://example.com", "hw", nil))
        try folder.prepare()
        // What a killed process leaves: a file that nobody has locked, under the number of a process that lives.
        try Data().write(to: folder.url.appendingPathComponent("holder-\(getpid())-1"))
        let keeper = bench.keeper(try bench.client())
        keeper.drive(.start)
        keeper.release()
        #expect(bench.platform.count("/release") == 1)
        #expect(DeviceHolders.living(in: folder).isEmpty)
    }

    @Test("a lease of an earlier boot, whose times mean nothing now, is not believed")
    func otherBoot() throws {
        let bench = Self.bench()
        let folder = StateFolder(url: bench.folder).inner(LicenseClient.holdersFolder("https://example.com", "hw", nil))
        let old = SeatMachine.Lease(
            session: "s-old", license: "l", epoch: 1, end: .days(100), interval: .seconds(300), used: 1, total: 1)
        try DeviceHolders(folder: folder, boot: "another").share(old, at: .days(99))
        #expect(DeviceHolders(folder: folder).shared == nil)
        #expect(DeviceHolders(folder: folder, boot: "another").shared?.lease == old)
    }

    @Test("waiting for a seat asks again and takes the one that comes free")
    func waiting() throws {
        let bench = Self.bench()
        let usual = Self.usual(bench.platform)
        let full: (Int, JSONValue) = (
            429, ["error": "no_seats_available", "message": "No seat.", "seats_used": 1, "seats_total": 1, "retry_after": 300]
        )
        bench.platform.answer { _ in full }
        let keeper = bench.keeper(try bench.client(), waiting: .minutes(10))
        keeper.drive(.start)
        bench.pass(.seconds(100), keeper)
        #expect(bench.told() == Array(repeating: "waiting", count: 7))
        bench.platform.answer(usual)
        bench.pass(.seconds(40), keeper)
        #expect(bench.told() == ["held"])
    }

    @Test("a refusal is thrown with its code, what happened, and what to do next")
    func refusals() throws {
        let cases: [(Int, JSONValue, LicenseClientError.Code, String)] = [
            (
                429, ["error": "no_seats_available", "seats_used": 3, "seats_total": 3, "retry_after": 312], .noSeat,
                "try again in 5 min 12 s"
            ),
            (403, ["error": "policy_denied", "reason": "outside_hours"], .policyDenied, "ask your administrator"),
            (403, ["error": "license_suspended", "message": "Suspended."], .suspended, "settle the payment: https://example.com/licence"),
            (403, ["error": "license_expired", "message": "Expired."], .expired, "renew it or choose a tier: https://example.com/plans"),
            (401, ["error": "unauthenticated", "message": "Sign in."], .notSignedIn, "run `coditect login`"),
            (
                422, ["error": "validation_failed", "message": "Invalid.", "request_id": "r-1"], .refused,
                "ask support, and name request r-1"
            ),
            (
                404, ["error": "not_found", "message": "There is no such object."], .noLicense,
                "run `coditect login` as a user of that licence, or name another one"
            ),
            (403, ["error": "license_revoked", "message": "Revoked."], .revoked, "ask support"),
            (404, "no platform", .badAnswer, "check the server's address"),
            (
                500, ["error": "internal", "message": "x", "request_id": "r-2"], .serverError,
                "try again later; if it stays so, tell support: request r-2"
            ),
            (429, ["error": "rate_limited", "message": "Too many.", "retry_after": 3], .rateLimited, "try again in 3 s"),
        ]
        for (status, json, code, next) in cases {
            let bench = Self.bench()
            bench.platform.answer { _ in (status, json) }
            let client = try bench.client { $0.license = "l-1" }
            let error = #expect(throws: LicenseClientError.self) {
                try client.acquire(
                    waiting: .zero,
                    pause: { span in
                        bench.clock.pass(span)
                        return true
                    }, onChange: { _ in })
            }
            #expect(error?.code == code)
            #expect(error?.next == next)
        }
    }

    @Test("a seat that cannot be noted down for other processes is used all the same, and given back")
    func unwritable() throws {
        let bench = Self.bench()
        let folder = StateFolder(url: bench.folder).inner(LicenseClient.holdersFolder("https://example.com", "hw", nil))
        // Nothing can be put in its place, as on a full disk.
        try FileManager.default.createDirectory(
            at: folder.url.appendingPathComponent("lease.json/x"), withIntermediateDirectories: true)
        let keeper = bench.keeper(try bench.client())
        keeper.drive(.start)
        #expect(bench.told() == ["held"])
        bench.pass(.hours(1), keeper)
        #expect(bench.told() == [] && bench.platform.count("/heartbeat") > 10)
        keeper.release()
        #expect(bench.platform.count("/release") == 1)
    }

    @Test("who gives up while asking leaves no seat behind")
    func interrupted() throws {
        let bench = Self.bench()
        bench.platform.answer { _ in nil }
        let client = try bench.client()
        let error = #expect(throws: LicenseClientError.self) {
            try client.acquire(waiting: .zero, pause: { _ in false }, onChange: { _ in })
        }
        #expect(error?.code == .interrupted)
    }

    @Test("codes are unique, and every sentence begins small and has no full stop")
    func codes() {
        #expect(Set(LicenseClientError.Code.allCases.map(\.rawValue)).count == LicenseClientError.Code.allCases.count)
        let error = LicenseClientError(.noSeat, "no seat free", next: "try again in 3 s")
        #expect(error.description == "no seat free; try again in 3 s")
    }

    @Test("the server's date is read as RFC 9110 writes it")
    func date() {
        #expect(Platform.moment("Sun, 06 Nov 1994 08:49:37 GMT") == Timestamp(iso8601: "1994-11-06T08:49:37Z"))
        for text in ["", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 32 Nov 1994 08:49:37 GMT"] {
            #expect(Platform.moment(text) == nil, "\(text)")
        }
    }
}
