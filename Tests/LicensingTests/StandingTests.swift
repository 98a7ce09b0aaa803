import Licensing
import RoomTesting
import Store
import Testing
import Vocabulary

/// Every order of `items`.
func orders<Item>(_ items: [Item]) -> [[Item]] {
    guard items.count > 1 else { return [items] }
    return items.indices.flatMap { index in
        var rest = items
        let first = rest.remove(at: index)
        return orders(rest).map { [first] + $0 }
    }
}

struct StandingTests {
    @Test("the first active standing issues the licence, with its key, journal, event and mail in one transaction")
    func issue() async throws {
        let house = try await LicenseHouse.make()
        let detail = try await house.issued()
        #expect(detail.license.status(at: house.now) == .active)
        #expect(detail.license.grant.seats == 2)
        #expect(detail.license.grant.devices == 4)
        #expect(detail.key.hasPrefix("CODITECT-"))
        #expect(try await house.journal() == ["license.issued", "license.key_shown"])
        let heard = try await house.heard()
        #expect(heard.map(\.topic).sorted() == [LicenseIssued.topic, MailRequested.topic])
        #expect(heard.first { $0.topic == MailRequested.topic }?.json["template"]?.string == "license_issued")
    }

    @Test("the tier that policies see is the paid one in use, else the free one, else the last one that was paid")
    func tier() async throws {
        let house = try await LicenseHouse.make()
        #expect(try await house.licenses.tier(of: house.tenant, now: house.now) == nil)
        let subscription = house.newSubscription()
        try await house.licenses.apply(house.standing(subscription, version: 1), house.act())
        #expect(try await house.licenses.tier(of: house.tenant, now: house.now) == "team")
        try await house.licenses.apply(house.standing(house.newSubscription(), version: 1, tier: "enterprise"), house.act())
        #expect(try await house.licenses.tier(of: house.tenant, now: house.now) == "team")
        try await house.licenses.apply(house.standing(subscription, version: 2, .suspended), house.act())
        #expect(try await house.licenses.tier(of: house.tenant, now: house.now) == "enterprise")
        let other = try await LicenseHouse.make()
        try await other.licenses.apply(other.standing(subscription, version: 1, .suspended), other.act())
        let seen = try await other.licenses.tier(of: other.tenant, now: other.now)
        #expect(seen == "team" || seen == nil)
    }

    @Test("no table holds the key in the clear")
    func keysAreSealed() async throws {
        let house = try await LicenseHouse.make()
        let key = try await house.issued().key
        let body = Array(key.split(separator: "-").dropFirst().joined(separator: "-").utf8)
        let boxes = try await house.test.store.kernelRead(KernelReason("test.look")) { db in
            try db.rows(SQL("test.boxes", "SELECT key_box, granted FROM license_all")).map { (try $0.blob(0), try $0.text(1)) }
        }
        for (box, granted) in boxes {
            #expect(!box.contains(body))
            #expect(!granted.contains(key))
        }
    }

    @Test("all orders of a life's standings, with repeats, end in the same licence, issued once")
    func allOrders() async throws {
        let house = try await LicenseHouse.make()
        func life(_ subscription: SubscriptionID) -> [StandingChanged] {
            [
                house.standing(subscription, version: 1),
                house.standing(subscription, version: 2, .grace, graceDays: 37),
                house.standing(subscription, version: 3, .active, days: 60),
                house.standing(subscription, version: 4, .active, tier: "enterprise", quantity: 1, days: 60),
                house.standing(subscription, version: 5, .suspended, tier: "enterprise", quantity: 1, days: 60),
            ]
        }
        for order in orders([0, 1, 2, 3, 4]) {
            let subscription = house.newSubscription()
            for index in order {
                let event = life(subscription)[index]
                try await house.licenses.apply(event, house.act())
                try await house.licenses.apply(event, house.act())
            }
        }
        let found = try await house.licenses.list(house.tenant, limit: 200).licenses
        #expect(found.count == 120)
        #expect(Set(found.map(\.terms)).count == 1)
        #expect(Set(found.map(\.tier)) == ["enterprise"])
        #expect(Set(found.map { $0.status(at: house.now) }) == [.suspended])
        #expect(try await house.journal().filter { $0 == "license.issued" }.count == 120)
    }

    @Test("a standing that is repeated or old changes nothing and leaves no trace")
    func repeats() async throws {
        let house = try await LicenseHouse.make()
        let subscription = house.newSubscription()
        for version in [2, 2, 1, 2] as [Int64] {
            try await house.licenses.apply(house.standing(subscription, version: version, quantity: Int(version)), house.act())
        }
        #expect(try await house.journal() == ["license.issued"])
        #expect(try await house.licenses.list(house.tenant).licenses.map(\.quantity) == [2])
        #expect(try await house.mails() == ["license_issued"])
    }

    @Test("a subscription that was never worth a licence gets none")
    func neverEntitled() async throws {
        let house = try await LicenseHouse.make()
        try await house.licenses.apply(house.standing(house.newSubscription(), version: 3, .cancelled), house.act())
        try await house.licenses.apply(house.standing(house.newSubscription(), version: 3, .suspended), house.act())
        #expect(try await house.licenses.list(house.tenant).licenses.isEmpty)
        #expect(try await house.heard().isEmpty)
    }

    @Test("a failed payment starts the grace, a missed one suspends, a paid one lifts it; the mails of it are billing's")
    func dunning() async throws {
        let house = try await LicenseHouse.make()
        let subscription = house.newSubscription()
        func license() async throws -> License { try await house.licenses.list(house.tenant).licenses[0] }
        try await house.licenses.apply(house.standing(subscription, version: 1), house.act())
        _ = try await house.heard()
        try await house.licenses.apply(house.standing(subscription, version: 2, .grace, graceDays: 37), house.act())
        #expect(try await license().status(at: house.now) == .grace)
        #expect(try await house.mails().isEmpty)
        house.test.clock.advance(by: .days(38))
        #expect(try await license().status(at: house.now) == .suspended)
        try await house.licenses.apply(house.standing(subscription, version: 3, .suspended), house.act())
        #expect(try await license().status(at: house.now) == .suspended)
        try await house.licenses.apply(house.standing(subscription, version: 4, .active, days: 90), house.act())
        #expect(try await license().status(at: house.now) == .active)
        #expect(try await house.mails().isEmpty)
        #expect(
            try await house.journal() == ["license.issued", "license.grace_started", "license.suspended", "license.reinstated"])
    }

    @Test("an upgrade takes effect with its snapshot; the journal says from what")
    func upgrade() async throws {
        let house = try await LicenseHouse.make()
        let subscription = house.newSubscription()
        try await house.licenses.apply(house.standing(subscription, version: 1, quantity: 2), house.act())
        try await house.licenses.apply(house.standing(subscription, version: 2, quantity: 9), house.act())
        let license = try await house.licenses.list(house.tenant).licenses[0]
        #expect(license.grant.seats == 9)
        #expect(try await house.journal() == ["license.issued", "license.changed"])
    }

    @Test("verification grants the free tier once, whatever is repeated")
    func free() async throws {
        let house = try await LicenseHouse.make()
        for _ in 0..<3 { try await house.licenses.grantFree(to: house.tenant, house.act()) }
        let found = try await house.licenses.list(house.tenant).licenses
        #expect(found.map(\.tier) == ["free"])
        #expect(found[0].expiresAt == nil)
        #expect(found[0].status(at: house.now + .days(10_000)) == .active)
    }

    @Test("a paid licence takes the place of the free one, in either order")
    func freeIsReplaced() async throws {
        for paidFirst in [false, true] {
            let house = try await LicenseHouse.make()
            if !paidFirst { try await house.licenses.grantFree(to: house.tenant, house.act()) }
            _ = try await house.issued()
            if paidFirst { try await house.licenses.grantFree(to: house.tenant, house.act()) }
            let usable = try await house.licenses.list(house.tenant).licenses.filter { $0.status(at: house.now).isUsable }
            #expect(usable.map(\.tier) == ["team"])
        }
    }

    @Test("events arrive through the store, and a crash before the commit leaves nothing half done")
    func delivery() async throws {
        let house = try await LicenseHouse.make()
        let event = house.standing(house.newSubscription(), version: 1)
        let act = house.act()
        try await house.test.store.kernel(KernelReason("test.emit")) { db in try db.emit(event, act) }
        try await house.test.runDue(subscribers: house.licenses.subscribers())
        #expect(try await house.licenses.list(house.tenant).licenses.count == 1)

        // A delivery whose lease is gone settles nothing, so its effect must be undone with it.
        let stale = Delivery(
            id: house.newSubscription().uuid, kind: "x", key: "x", tenant: nil, payload: .init(), attempt: 1, leaseToken: house.tenant.uuid)
        await #expect(throws: StoreFault.self) {
            try await house.licenses.apply(house.standing(house.newSubscription(), version: 1), settling: stale, act)
        }
        #expect(try await house.licenses.list(house.tenant).licenses.count == 1)
        let keys = try await house.test.store.kernelRead(KernelReason("test.look")) { db in
            try db.row(SQL("test.keys", "SELECT count(*) FROM license_key_directory"))?.int(0)
        }
        #expect(keys == 1)
    }

    @Test("a tier that the catalog lost keeps what it last granted, and a licence of an unknown tier waits")
    func lostTier() async throws {
        let house = try await LicenseHouse.make()
        _ = try await house.issued(quantity: 7)
        house.catalog.replace(with: .empty)
        let license = try await house.licenses.list(house.tenant).licenses[0]
        #expect(license.grant.seats == 7)
        #expect(license.grant.features["private_projects"] == .bool(true))
        await #expect(throws: UnknownTier.self) {
            try await house.licenses.apply(house.standing(house.newSubscription(), version: 1), house.act())
        }
    }

    @Test("a revoked licence stays revoked, whatever billing says later")
    func revoke() async throws {
        let house = try await LicenseHouse.make()
        let subscription = house.newSubscription()
        try await house.licenses.apply(house.standing(subscription, version: 1), house.act())
        let id = try await house.licenses.list(house.tenant).licenses[0].id
        try await house.licenses.revoke(id, tenant: house.tenant, reason: "chargeback", house.act())
        try await house.licenses.revoke(id, tenant: house.tenant, reason: "again", house.act())
        try await house.licenses.apply(house.standing(subscription, version: 2, days: 90), house.act())
        #expect(try await house.licenses.list(house.tenant).licenses[0].status(at: house.now) == .revoked)
        #expect(try await house.journal().filter { $0 == "license.revoked" }.count == 1)
    }

    @Test("another tenant's licence is not found")
    func isolation() async throws {
        let house = try await LicenseHouse.make()
        let id = try await house.issued().license.id
        let stranger: TenantID = house.test.entropy.id(house.now)
        await #expect(throws: CommonProblems.notFound) { try await house.licenses.reveal(id, tenant: stranger, house.act()) }
        #expect(try await house.licenses.list(stranger).licenses.isEmpty)
    }

    @Test("pages of licences follow each other without gap or repeat")
    func pages() async throws {
        let house = try await LicenseHouse.make()
        for _ in 0..<7 {
            _ = try await house.issued()
            house.test.clock.advance(by: .seconds(1))
        }
        var seen: [LicenseID] = []
        var cursor: LicenseID?
        repeat {
            let page = try await house.licenses.list(house.tenant, after: cursor, limit: 3)
            seen += page.licenses.map(\.id)
            cursor = page.next
        } while cursor != nil
        #expect(seen.count == 7)
        #expect(Set(seen).count == 7)
    }
}

extension [UInt8] {
    func contains(_ part: [UInt8]) -> Bool {
        guard part.count <= count else { return false }
        return indices.dropLast(part.count - 1).contains { Array(self[$0..<($0 + part.count)]) == part }
    }
}
