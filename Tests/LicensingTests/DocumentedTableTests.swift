import Foundation
import LicenseFormat
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Licensing

/// The tables of docs/explanation/licences.md, read as they stand there and held against the code cell by cell.
struct DocumentedTableTests {
    /// Cells of the table whose first column is headed so, without the header; code marks are left out.
    static func table(headed title: String) throws -> [[String]] {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../docs/explanation/licences.md")
        let lines = try String(contentsOf: page, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false)
        let header = try #require(lines.firstIndex { $0.hasPrefix("| \(title) |") })
        return lines[(header + 2)...].prefix { $0.hasPrefix("|") }.map { line in
            line.split(separator: "|").map { $0.replacing("`", with: "").trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        }
    }

    // MARK: What validate tells

    @Test("every code of validate is documented, in the order in which they are looked for, with what it means for the device")
    func codes() throws {
        let rows = try Self.table(headed: "code")
        #expect(rows.map { $0[0] } == ValidationCode.allCases.map(\.rawValue))
        #expect(rows.map { $0[1] } == ValidationCode.allCases.map { $0.isValid ? "yes" : "no" })
    }

    @Test("of all the states there are, the code is the first documented one that holds")
    func precedence() throws {
        let order = try Self.table(headed: "code").map { $0[0] }
        for status in LicenseStatus.allCases {
            for isActivated in [true, false] {
                for activations in [0, 1, 2, 3] {
                    for limit in [nil, 0, 1, 2] as [Int?] {
                        let holds: [String: Bool] = [
                            "malformed_key": false, "unknown_key": false, "revoked": status == .revoked, "suspended": status == .suspended,
                            "expired": status == .expired,
                            "activation_limit_reached": !isActivated && limit.map { activations >= $0 } ?? false,
                            "not_activated": !isActivated, "in_grace": status == .grace, "valid": true,
                        ]
                        let code = ValidationCode.judge(status, isActivated: isActivated, activations: activations, limit: limit)
                        #expect(code.rawValue == order.first { holds[$0] == true })
                    }
                }
            }
        }
    }

    // MARK: Transitions

    static let day5 = LifecycleTests.day(5)
    /// Terms whose status on day 5 is this one, by what billing said.
    static func terms(_ status: LicenseStatus, end: Int64) -> LicenseTerms {
        let (day, later) = (LifecycleTests.day, end + 7)
        switch status {
        case .active: return LicenseTerms(standing: .active, periodEnd: day(end))
        case .grace: return LicenseTerms(standing: .grace, periodEnd: day(end), graceUntil: day(later))
        case .suspended: return LicenseTerms(standing: .suspended, periodEnd: day(end))
        case .expired: return LicenseTerms(standing: .cancelled, periodEnd: day(end), cancelsAt: day(3))
        case .revoked: return LicenseTerms(standing: .active, periodEnd: day(end), revokedAt: day(4))
        }
    }

    /// Verb by status before and after; nil: nothing is said.
    static func transitions() throws -> [LicenseStatus: [LicenseStatus: String?]] {
        let rows = try table(headed: "from \\ to")
        #expect(rows.map { $0[0] } == LicenseStatus.allCases.map(\.rawValue))
        var read: [LicenseStatus: [LicenseStatus: String?]] = [:]
        for row in rows {
            try #require(row.count == 1 + LicenseStatus.allCases.count)
            let cells = zip(LicenseStatus.allCases, row.dropFirst()).map { ($0, $1 == "–" ? String?.none : $1) }
            read[try #require(LicenseStatus(rawValue: row[0]))] = Dictionary(uniqueKeysWithValues: cells)
        }
        return read
    }

    @Test("every cell of the documented transitions is what the code calls it, and starts and ends where it is declared to")
    func cells() throws {
        let documented = try Self.transitions()
        for old in LicenseStatus.allCases {
            for new in LicenseStatus.allCases {
                let (before, after) = (Self.terms(old, end: 30), Self.terms(new, end: 60))
                #expect(before.status(at: Self.day5) == old && after.status(at: Self.day5) == new)
                let found = LicenseTransition.between(before, after, now: Self.day5)
                #expect(found?.verb == documented[old]?[new] ?? nil, "\(old) → \(new)")
                if let found { #expect(found.from.contains(old) && found.to.contains(new), "\(old) → \(new)") }
            }
        }
        #expect(documented[.revoked]?.values.allSatisfy { $0 == nil } == true)
        let verbs = Set(documented.values.flatMap(\.values).compactMap(\.self))
        #expect(verbs == Set(LicenseTransition.all.map(\.verb)).subtracting(["issue"]))
    }

    /// What billing would have to say for this status; nil: billing cannot.
    static func standing(
        _ house: LicenseHouse, _ subscription: SubscriptionID, _ version: Int64, _ status: LicenseStatus, days: Int64
    ) -> StandingChanged? {
        switch status {
        case .active: house.standing(subscription, version: version, days: days)
        case .grace: house.standing(subscription, version: version, .grace, days: days, graceDays: days + 7)
        case .suspended: house.standing(subscription, version: version, .suspended, days: days)
        case .expired: house.standing(subscription, version: version, .cancelled, days: days, cancelDays: -1)
        case .revoked: nil
        }
    }

    @Test(
        "every cell happens as documented in the tables too: status, journal, and what validate and activate say",
        arguments: LicenseStatus.allCases)
    func inTheRoom(_ old: LicenseStatus) async throws {
        let documented = try Self.transitions()
        for new in LicenseStatus.allCases {
            let house = try await LicenseHouse.make()
            let subscription = house.newSubscription()
            try await house.licenses.apply(house.standing(subscription, version: 1), house.act())
            let id = try await house.licenses.list(house.tenant).licenses[0].id
            let key = try await house.licenses.reveal(id, tenant: house.tenant, house.act()).key
            _ = try await house.licenses.activate(key: key, hardwareID: "hw", machineName: nil, house.act(.anonymous))
            func bring(_ status: LicenseStatus, version: Int64, days: Int64) async throws {
                if let event = Self.standing(house, subscription, version, status, days: days) {
                    try await house.licenses.apply(event, house.act())
                } else {
                    try await house.licenses.revoke(id, tenant: house.tenant, reason: "test", house.act())
                }
            }
            if old != .active { try await bring(old, version: 2, days: 30) }
            let said = try await house.journal().count
            try await bring(new, version: 3, days: 60)
            let status = try await house.licenses.list(house.tenant).licenses[0].status(at: house.now)
            #expect(status == (old == .revoked ? .revoked : new), "\(old) → \(new)")
            let action = (documented[old]?[new] ?? nil).flatMap { verb in LicenseTransition.all.first { $0.verb == verb }?.action }
            let entries = try await house.journal().dropFirst(said)
            // A transition is told by its name; new terms without one as a change, and revoking again not at all.
            let expected = action ?? "license.changed"
            #expect(Array(entries) == (old == .revoked && new == .revoked ? [] : [expected]), "\(old) → \(new)")
            let validation = try await house.licenses.validate(key: key, hardwareID: "hw", now: house.now)
            #expect(validation.code == ValidationCode.judge(status, isActivated: true, activations: 1, limit: 4))
            #expect((validation.file != nil) == status.isUsable)
            let again = try? await house.licenses.activate(key: key, hardwareID: "hw", machineName: nil, house.act(.anonymous))
            #expect((again != nil) == status.isUsable)
        }
    }

    @Test("a revocation is for ever: no standing, no time, no repeat and no other key brings the licence back")
    func revoked() async throws {
        let house = try await LicenseHouse.make()
        let subscription = house.newSubscription()
        try await house.licenses.apply(house.standing(subscription, version: 1), house.act())
        let id = try await house.licenses.list(house.tenant).licenses[0].id
        let key = try await house.licenses.reveal(id, tenant: house.tenant, house.act()).key
        _ = try await house.licenses.activate(key: key, hardwareID: "hw", machineName: nil, house.act(.anonymous))
        try await house.licenses.revoke(id, tenant: house.tenant, reason: "fraud", house.act())
        var version: Int64 = 1
        for status in LicenseStatus.allCases + [.active] {
            version += 1
            if let event = Self.standing(house, subscription, version, status, days: 10_000) {
                try await house.licenses.apply(event, house.act())
                try await house.licenses.apply(event, house.act())
            }
            house.test.clock.advance(by: .days(40))
            #expect(try await house.licenses.validate(key: key, hardwareID: "hw", now: house.now).code == .revoked)
            #expect(try await house.licenses.validate(key: key, hardwareID: "hw", now: house.now).file == nil)
            await #expect(throws: LicenseProblems.revoked) {
                try await house.licenses.activate(key: key, hardwareID: "hw", machineName: nil, house.act(.anonymous))
            }
            #expect(try await house.licenses.features(house.tenant, now: house.now).features.isEmpty)
        }
        #expect(try await house.licenses.list(house.tenant).licenses.count == 1)
        #expect(try await house.journal().filter { $0 == "license.revoked" }.count == 1)
    }

    // MARK: One end of grace

    @Test("in grace every place shows the same end, and at that very moment every place says that it is over")
    func graceEnd() async throws {
        let made = try await LicenseFileTests.make()
        let house = made.house
        let subscription = try #require(
            try await house.licenses.list(house.tenant).licenses.compactMap { license -> SubscriptionID? in
                guard case .subscription(let id) = license.origin else { return nil }
                return id
            }.first)
        let (id, end) = (try await house.licenses.list(house.tenant).licenses[0].id, Timestamp(seconds: 1_800_000_000) + .days(37))
        let key = try await house.licenses.reveal(id, tenant: house.tenant, house.act()).key
        try await house.licenses.apply(house.standing(subscription, version: 2, .grace, graceDays: 37), house.act())
        house.test.clock.advance(by: .days(37) - .seconds(1))
        let told = try await house.licenses.validate(key: key, hardwareID: "hw-1", now: house.now)
        #expect(told.code == .inGrace)
        let bytes = [UInt8](try JSONCoding.encode(try #require(told.file).json))
        let file = try LicenseFile.check(bytes, keys: made.keys, hardwareID: "hw-1", now: house.now)
        let license = try await house.licenses.list(house.tenant).licenses[0]
        let seats = try #require(try await house.test.store.tenantRead(house.tenant) { db in try house.licenses.seatLicense(id, in: db) })
        #expect(
            [told.license?.expiresAt, told.license?.offlineUntil, file.expiresAt, file.offlineUntil, license.expiresAt(at: house.now)]
                .allSatisfy { $0 == end })
        #expect(seats.terms.effectiveEnd(at: house.now) == end)
        #expect(try await house.licenses.features(house.tenant, now: house.now).features == ["private_projects": true])

        house.test.clock.advance(by: .seconds(1))
        #expect(try await house.licenses.validate(key: key, hardwareID: "hw-1", now: house.now).code == .suspended)
        #expect(throws: LicenseFileFault.expired(end)) {
            try LicenseFile.check(bytes, keys: made.keys, hardwareID: "hw-1", now: house.now)
        }
        await #expect(throws: LicenseProblems.suspended) {
            try await house.licenses.activate(key: key, hardwareID: "hw-1", machineName: nil, house.act(.anonymous))
        }
        #expect(try await house.licenses.list(house.tenant).licenses[0].status(at: house.now) == .suspended)
        #expect(seats.status(at: house.now) == .suspended)
        #expect(try await house.licenses.features(house.tenant, now: house.now).features.isEmpty)
    }
}
