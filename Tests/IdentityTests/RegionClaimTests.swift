import Foundation
import RoomTesting
import Signing
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

/// Two regions with databases of their own over one directory.
struct TwoRegions {
    struct Away: Error {}
    let shelf: TestStore
    let directory: RegionDirectory
    let isAway = Guarded(false)
    let told = Guarded<[String]>([])
    let us: IdentityHouse
    let eu: IdentityHouse

    init() async throws {
        let shelf = try await TestStore.make(migrations: try RegionDirectory.migrations())
        self.shelf = shelf
        let (isAway, told) = (isAway, told)
        let directory = RegionDirectory(store: shelf.store, open: { if isAway.with({ $0 }) { throw Away() } }) { mail in
            Digest.sha256(Array("directory \(mail)".utf8))
        }
        self.directory = directory
        func house(_ region: Region) async throws -> IdentityHouse {
            try await IdentityHouse(
                Settings(["tenancy.region": region.rawValue]),
                claims: { bench in
                    RegionClaims(store: bench.store, directory: directory, home: region, patience: .minutes(2)) { region, digest in
                        if isAway.with({ $0 }) { throw Away() }
                        told.with { $0.append("\(region.rawValue) \(digest)") }
                    }
                })
        }
        us = try await house(.us)
        eu = try await house(.eu)
    }

    func accounts(_ house: IdentityHouse) async throws -> Int {
        try await house.bench.store.kernelRead(KernelReason("test.count")) { db in
            try db.row(SQL("test.count_accounts", "SELECT count(*) FROM user_account WHERE status = 'active'"))?.int(0) ?? -1
        }
    }
    func claims(_ house: IdentityHouse) async throws -> [String] {
        try await house.bench.store.kernelRead(KernelReason("test.claims")) { db in
            try db.rows(SQL("test.claim_states", "SELECT state FROM mail_claim ORDER BY state")).map { try $0.text(0) }
        }
    }
    func claims(of house: IdentityHouse) throws -> RegionClaims { try #require(house.tenancy.claims) }
    /// Ids of these houses come from one seed: theirs are the same.
    func nobody() -> UserID { UserID(UUID()) }
}

@Suite struct RegionClaimTests {
    let mail = "ada@example.com"

    @Test("an account claims its address for its region, with the tenant; the directory holds nothing that says who it is")
    func claimed() async throws {
        let world = try await TwoRegions()
        let account = try await world.eu.member(mail)
        let holder = try #require(try await world.directory.holder(of: mail))
        #expect(holder.region == .eu && holder.user == account.id)
        #expect(try await world.directory.region(of: account.homeTenant) == .eu)
        let (eu, us) = (try await world.directory.counts(.eu), try await world.directory.counts(.us))
        #expect(eu == (1, 1) && us == (0, 0))
        #expect(try await world.claims(world.eu) == ["held"])
        world.eu.advance(.minutes(3))
        try await world.eu.settle()
        #expect(try await world.directory.holder(of: mail) == holder)
    }

    @Test(
        "a sign-up with an address of another region is answered alike, makes no account, and tells that region the digest alone, once an hour"
    )
    func elsewhere() async throws {
        let world = try await TwoRegions()
        try await world.eu.member(mail)
        let fresh = try await world.us.signUp("grace@example.com")
        let again = try await world.us.signUp(mail)
        #expect(again.name == fresh.name && again.email == mail && again.id != fresh.id)
        try await world.us.signUp(mail)
        try await world.us.settle()
        #expect(try await world.accounts(world.us) == 1)
        let digest = Hex.encode(Digest.sha256(Array("directory \(mail)".utf8)))
        #expect(world.told.with { $0 } == ["eu \(digest)"])
        #expect(try await world.us.mails("already_registered").isEmpty)
        try await world.eu.identity.tellRegistered(claimDigest: try #require(Hex.decode(digest)), world.eu.act())
        #expect(try await world.eu.mails("already_registered").count == 1)
        // Of nobody: nothing.
        try await world.eu.identity.tellRegistered(claimDigest: [UInt8](repeating: 0, count: 32), world.eu.act())
        #expect(try await world.eu.mails("already_registered").count == 1)
    }

    @Test("a claim that no account follows is given back after its patience; whoever comes too late makes nothing")
    func crash() async throws {
        let world = try await TwoRegions()
        let claims = try world.claims(of: world.us)
        let lost = world.nobody()
        #expect(try await claims.claim(mail, for: lost, world.us.act()) == .granted)
        // Meanwhile the address is taken, everywhere, and answered as any.
        try await world.us.signUp(mail)
        try await world.eu.signUp(mail)
        #expect(try await world.accounts(world.us) == 0)
        #expect(try await world.accounts(world.eu) == 0)
        world.us.advance(.minutes(3))
        try await world.us.settle()
        #expect(try await world.directory.holder(of: mail) == nil)
        #expect(try await world.claims(world.us).isEmpty)
        // The one that was given up is still on its way: its account would have no claim.
        await #expect(throws: Problem.self) {
            try await world.us.bench.store.kernel(KernelReason("test.late")) { [tenancy = world.us.tenancy, act = world.us.act()] db in
                try tenancy.route(mailDigest: [UInt8](repeating: 1, count: 32), to: lost, in: db, act)
            }
        }
        try await world.eu.signUp(mail)
        #expect(try await world.accounts(world.eu) == 1)
    }

    @Test("between the crash and the giving back the account may still be made: then it stays")
    func slow() async throws {
        let world = try await TwoRegions()
        let claims = try world.claims(of: world.us)
        let slow = world.nobody()
        #expect(try await claims.claim(mail, for: slow, world.us.act()) == .granted)
        try await world.us.bench.store.kernel(KernelReason("test.slow")) { [tenancy = world.us.tenancy, act = world.us.act()] db in
            try tenancy.route(mailDigest: [UInt8](repeating: 1, count: 32), to: slow, in: db, act)
        }
        world.us.advance(.minutes(3))
        try await world.us.settle()
        #expect(try await world.directory.holder(of: mail)?.user == slow)
        #expect(try await world.claims(world.us) == ["held"])
    }

    @Test("of many sign-ups with one address in two regions at once one makes an account")
    func race() async throws {
        let world = try await TwoRegions()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for house in [world.us, world.eu, world.us, world.eu, world.us, world.eu] {
                group.addTask { try await house.signUp(mail) }
            }
            try await group.waitForAll()
        }
        let made = (try await world.accounts(world.us), try await world.accounts(world.eu))
        #expect(made.0 + made.1 == 1)
        for house in [world.us, world.eu] {
            house.advance(.minutes(3))
            try await house.settle()
        }
        let holder = try #require(try await world.directory.holder(of: mail))
        #expect(holder.region == (made.0 == 1 ? .us : .eu))
        let kept = (try await world.claims(world.us), try await world.claims(world.eu))
        #expect(kept.0 + kept.1 == ["held"])
    }

    @Test("while the directory is away nobody signs up, known or not, and what was begun is given back when it is there again")
    func away() async throws {
        let world = try await TwoRegions()
        try await world.us.member("known@example.com")
        world.isAway.with { $0 = true }
        for address in ["known@example.com", mail] {
            await #expect(throws: RegionProblems.directoryUnavailable.retry(afterSeconds: 5)) { try await world.us.signUp(address) }
        }
        #expect(try await world.us.login("known@example.com").refreshToken?.hasSuffix(".us") == true)
        // For as long as it takes: more attempts than any job has.
        for _ in 0..<40 {
            world.us.advance(.minutes(1))
            try await world.us.settle()
        }
        #expect(try await world.claims(world.us) == ["held", "releasing", "releasing"])
        world.isAway.with { $0 = false }
        world.us.advance(.minutes(2))
        try await world.us.settle()
        #expect(try await world.claims(world.us) == ["held"])
        try await world.eu.signUp(mail)
        #expect(try await world.accounts(world.eu) == 1)
    }

    @Test("an erased person's address leads to nobody, and is free in another region")
    func erased() async throws {
        let world = try await TwoRegions()
        let account = try await world.us.member(mail)
        _ = try await IdentityErasure(world.us.identity).erase(account.id, world.us.act())
        try await world.us.settle()
        #expect(try await world.directory.holder(of: mail) == nil)
        #expect(try await world.claims(world.us).isEmpty)
        try await world.eu.member(mail)
        #expect(try await world.directory.holder(of: mail)?.region == .eu)
    }

    @Test(
        "an installation that joins others tells the directory of what it has, once; what is taken elsewhere is named; orphans are found and given back"
    )
    func adoption() async throws {
        let world = try await TwoRegions()
        let alone = try await IdentityHouse()
        let ada = try await alone.member(mail)
        let grace = try await alone.member("grace@example.com")
        try await world.eu.member("grace@example.com")
        let claims = RegionClaims(store: alone.bench.store, directory: world.directory, home: .us, patience: .minutes(2)) { _, _ in }
        // Led to the region before a restore, and is in no database any more.
        #expect(try await world.claims(of: world.us).claim("lost@example.com", for: world.nobody(), world.us.act()) == .granted)
        let mails = { @Sendable (user: UserID) in try await alone.identity.canonicalMail(of: user) }
        alone.advance(.hours(2))
        let first = try await claims.adopt(repairs: false, alone.act(), mail: mails)
        #expect(first == RegionClaims.Adopted(accounts: 1, tenants: 2, conflicts: [grace.id], orphans: 1))
        #expect(try await world.directory.holder(of: mail)?.user == ada.id)
        #expect(try await world.directory.region(of: ada.homeTenant) == .us)
        let second = try await claims.adopt(repairs: true, alone.act(), mail: mails)
        #expect(second.accounts == 0 && second.tenants == 0 && second.orphans == 1)
        #expect(try await world.directory.holder(of: "lost@example.com") == nil)
        #expect(try await world.directory.holder(of: "grace@example.com")?.region == .eu)
    }

    @Test("an access token names its region and opens no other, though the keys be the same")
    func tokens() async throws {
        let world = try await TwoRegions()
        try await world.us.member(mail)
        let grant = try await world.us.login(mail)
        #expect(AccessTokens.claimedRegion("head.\(Base64URL.encode(Array(#"{"region":"us","sub":"x"}"#.utf8))).signature") == .us)
        #expect(try await world.us.principal(grant) != nil)
        func reading(_ region: Region?) throws -> AccessTokens {
            AccessTokens(
                signer: world.us.signer, permissions: FixedPermissions(), entropy: world.us.bench.entropy, settings: Settings(),
                region: region)
        }
        #expect(try reading(.us).claims(of: grant.access.text, now: world.us.now) != nil)
        #expect(try reading(.eu).claims(of: grant.access.text, now: world.us.now) == nil)
        #expect(try reading(nil).claims(of: grant.access.text, now: world.us.now) == nil)
        // From before there were regions.
        let alone = try await IdentityHouse()
        try await alone.member(mail)
        let old = try await alone.login(mail).access.text
        #expect(AccessTokens.claimedRegion(old) == nil)
        let upgraded = AccessTokens(
            signer: alone.signer, permissions: FixedPermissions(), entropy: alone.bench.entropy, settings: Settings(), region: .us)
        #expect(upgraded.claims(of: old, now: alone.now) != nil)
        for junk in ["", "a.b", "a.b.c", "a.e30.c", "a.eyJyZWdpb24iOiJtb29uIn0.c", String(repeating: "a", count: 9_000)] {
            #expect(AccessTokens.claimedRegion(junk) == nil)
        }
    }

    @Test("a mark is the last part of a secret; only the own one is taken off")
    func marks() {
        let mark = RegionMark(.eu)
        #expect(mark.marked("crt_abc") == "crt_abc.eu" && mark.bare("crt_abc.eu") == "crt_abc" && mark.bare("crt_abc.us") == "crt_abc.us")
        #expect(mark.bare("crt_abc") == "crt_abc" && RegionMark.none.marked("x") == "x" && RegionMark.none.bare("x.eu") == "x.eu")
        #expect(RegionMark.region(of: "cok_12345678.secret.apac") == .apac && RegionMark.region(of: "cok_12345678.secret") == nil)
        #expect(RegionMark.region(of: "eu") == nil && RegionMark.region(of: "") == nil && RegionMark.region(of: ".us") == .us)
    }
}
