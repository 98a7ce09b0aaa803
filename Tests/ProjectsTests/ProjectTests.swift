import Foundation
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Projects

@Suite("Projects")
struct ProjectTests {
    @Test("each sees the projects within reach in a list that pages, and no other is there at all")
    func reach() async throws {
        let shop = try await Workshop()
        let (one, two, three) = (try await shop.project("One"), try await shop.project("Two"), try await shop.project("Three"))
        let developer = try await shop.join(.developer)
        let until = shop.test.clock.now() + .days(10)
        let auditor = try await shop.join(.auditor, scope: ["\(two)", "\(ProjectID(UUID()))"], endsAt: until)
        let contractor = try await shop.join(.contractor, scope: ["\(three)"], endsAt: until)
        let team = try await shop.teams.create("Builders", shop.tenant, shop.test.act())
        try await shop.teams.add(developer.membership, to: team.id, shop.tenant, shop.test.act())
        _ = try await shop.room.share(one, with: .team(team.id), .read, shop.owner, shop.test.act())
        _ = try await shop.room.share(three, with: .member(developer.membership), .write, shop.owner, shop.test.act())
        func names(_ who: Principal, after: ProjectID? = nil, limit: Int = 10) async throws -> [String] {
            try await shop.room.list(who, after: after, limit: limit, withDeleted: false, shop.test.act()).map(\.project.name)
        }
        #expect(try await names(shop.owner) == ["One", "Two", "Three"])
        #expect(try await names(developer) == ["One", "Three"])
        #expect(try await names(developer, after: one) == ["Three"])
        #expect(try await names(developer, limit: 1) == ["One"])
        #expect(try await names(auditor) == ["Two"])
        #expect(try await names(contractor) == ["Three"])
        for (who, hidden) in [(developer, two), (auditor, one), (contractor, one)] {
            #expect(await shop.refusal { _ = try await shop.room.get(hidden, who, shop.test.act()) } == "not_found")
            #expect(
                await shop.refusal { _ = try await shop.room.files(in: hidden, prefix: "", after: nil, limit: 1, who, shop.test.act()) }
                    == "not_found")
            #expect(await shop.refusal { _ = try await shop.declared("a", Data("a".utf8), in: hidden, by: who) } == "not_found")
        }
        #expect(await shop.refusal { _ = try await shop.declared("a", Data("a".utf8), in: one, by: developer) } == "project_read_only")
        #expect(await shop.refusal { _ = try await shop.declared("a", Data("a".utf8), in: two, by: auditor) } == "project_read_only")
        // The team goes, and with it what it was given.
        try await shop.teams.remove(team.id, shop.tenant, shop.test.act())
        #expect(try await names(developer) == ["Three"])
        let journal = try await shop.journal()
        #expect(journal.contains("projects.listed") && journal.filter { $0 == "project.read" }.isEmpty)
        _ = try await shop.room.get(two, auditor, shop.test.act())
        #expect(try await shop.journal().contains("project.read"))
        shop.test.clock.advance(by: .days(10))
        #expect(try await names(contractor).isEmpty)
        #expect(try await names(auditor).isEmpty)
    }

    @Test("another tenant's project is not found, whatever is asked of it")
    func foreign() async throws {
        let shop = try await Workshop()
        let project = try await shop.project()
        let stored = try await shop.store("a", Data("a".utf8), in: project)
        let file = try #require(stored.file).id
        let stranger = Principal(
            user: UserID(UUID()), tenant: TenantID(UUID()), membership: MembershipID(UUID()), session: AuthSessionID(UUID()), role: "owner")
        let (room, act) = (shop.room, shop.test.act())
        let asks: [@Sendable () async throws -> Void] = [
            { _ = try await room.get(project, stranger, act) }, { _ = try await room.move(project, "delete", stranger, act) },
            { _ = try await room.describe(project, name: "x", summary: nil, stranger, act) },
            { _ = try await room.shares(project, stranger, act) },
            { _ = try await room.share(project, with: .everyone, .write, stranger, act) },
            { _ = try await room.files(in: project, prefix: "", after: nil, limit: 9, stranger, act) },
            { _ = try await room.file(file, stranger, act) },
            { _ = try await room.download(file, version: nil, range: nil, stranger, act) },
            { _ = try await room.address(of: file, version: nil, stranger, act) }, { try await room.remove(file, stranger, act) },
            { _ = try await room.upload(stored.object.id, stranger, act) },
            { _ = try await room.complete(stored.object.id, stranger, act) },
            { try await room.abandon(stored.object.id, stranger, act) },
            {
                _ = try await room.declare(
                    NewUpload(path: "a", contentType: "text/plain", bytes: 0, hash: ContentHash(of: Data()).description), in: project,
                    stranger, act)
            },
        ]
        for (number, ask) in asks.enumerated() { #expect(await shop.refusal(ask) == "not_found", "\(number)") }
        #expect(try await shop.read(file) == Data("a".utf8))
    }

    @Test(
        "a project goes the declared ways: archived it takes nothing, deleted it comes back until its days are over, then all of it is gone"
    )
    func life() async throws {
        let shop = try await Workshop(projects: 2)
        let project = try await shop.project()
        let file = try #require(try await shop.store("a.txt", Data("hello".utf8), in: project).file).id
        _ = try await shop.room.move(project, "archive", shop.owner, shop.test.act())
        #expect(await shop.refusal { _ = try await shop.declared("b", Data(), in: project) } == "project_not_active")
        #expect(await shop.refusal { try await shop.room.remove(file, shop.owner, shop.test.act()) } == "project_not_active")
        #expect(try await shop.read(file) == Data("hello".utf8))
        #expect(
            await shop.refusal { _ = try await shop.room.move(project, "restore", shop.owner, shop.test.act()) } == "project_state_conflict"
        )
        _ = try await shop.room.move(project, "reopen", shop.owner, shop.test.act())
        _ = try await shop.room.move(project, "delete", shop.owner, shop.test.act())
        _ = try await shop.room.move(project, "delete", shop.owner, shop.test.act())
        #expect(try await shop.usage().projects == 0)
        #expect(try await shop.usage().storedBytes == 5)
        let developer = try await shop.join(.developer)
        #expect(await shop.refusal { _ = try await shop.room.get(project, developer, shop.test.act()) } == "not_found")
        try await shop.pass(days: 29)
        #expect(try await shop.room.move(project, "restore", shop.owner, shop.test.act()).project.state == .active)
        #expect(try await shop.read(file) == Data("hello".utf8))
        #expect(try await shop.usage().projects == 1)
        _ = try await shop.room.move(project, "delete", shop.owner, shop.test.act())
        _ = try await (shop.project("x"), shop.project("y"))
        #expect(
            await shop.refusal { _ = try await shop.room.move(project, "restore", shop.owner, shop.test.act()) } == "project_quota_reached")
        try await shop.pass(days: 33)
        #expect(await shop.refusal { _ = try await shop.room.get(project, shop.owner, shop.test.act()) } == "not_found")
        #expect(shop.paper.names.isEmpty)
        #expect(try await shop.rows().isEmpty)
        #expect(try await shop.usage() == ProjectUsage(projects: 2, storedBytes: 0, reservedBytes: 0, isClosed: false))
        #expect(try await shop.journal().contains("project.purged"))
    }

    @Test("of many who make a project at once exactly as many succeed as the tier allows, and bytes are counted to the last")
    func races() async throws {
        let shop = try await Workshop(projects: 3, bytes: 1_000)
        let act = shop.test.act()
        let made = await withTaskGroup(of: ProjectID?.self) { group in
            for number in 0..<12 {
                group.addTask { try? await shop.room.create(name: "P\(number)", summary: "", shop.owner, act).project.id }
            }
            return await group.reduce(into: [ProjectID]()) { if let id = $1 { $0.append(id) } }
        }
        #expect(made.count == 3)
        #expect(await shop.refusal { _ = try await shop.project() } == "project_quota_reached")
        let project = try #require(made.first)
        let content = Data(repeating: 7, count: 300)
        let taken = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<8 { group.addTask { (try? await shop.declared("f\(number)", content, in: project)) != nil } }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(taken == 3)
        #expect(try await shop.usage().reservedBytes == 900)
        _ = try await shop.declared("rest", Data(repeating: 1, count: 100), in: project)
        #expect(await shop.refusal { _ = try await shop.declared("one more", Data([1]), in: project) } == "storage_quota_reached")
        shop.allowed.with { $0 = ProjectAllowance(projects: 3, bytes: 1_001) }
        _ = try await shop.declared("one more", Data([1]), in: project)
    }

    @Test("a tenant that leaves is closed, may come back, and what is purged is nowhere; what leaves goes along as it was")
    func closure() async throws {
        let shop = try await Workshop()
        let project = try await shop.project()
        let large = Data((0..<(FileStoreLimits.partBytes + 10)).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try await shop.store("docs/a.txt", Data("a".utf8), in: project)
        let seen = try await shop.declared("big.bin", large, in: project)
        let address = try shop.address(seen)
        for (number, part) in [large.prefix(FileStoreLimits.partBytes), large.suffix(10)].enumerated() {
            _ = try await shop.room.take(Data(part), piece: number + 1, under: address, shop.test.act())
        }
        _ = try await shop.room.complete(seen.object.id, shop.owner, shop.test.act())
        let waiting = try await shop.declared("later", Data("x".utf8), in: project)
        let sink = PaperSink()
        try await shop.room.export(shop.tenant, to: sink, shop.test.act())
        #expect(sink.files.with { $0 } == ["\(project)/docs/a.txt": Data("a".utf8), "\(project)/big.bin": large])
        #expect(sink.records.with { $0.map(\.0).sorted() } == ["files", "files", "projects"])

        try await shop.room.revoke(shop.tenant, shop.test.act())
        #expect(
            await shop.refusal { _ = try await shop.room.take(Data("x".utf8), piece: 1, under: try shop.address(waiting), shop.test.act()) }
                == "file_address_refused")
        #expect(await shop.refusal { _ = try await shop.declared("z", Data(), in: project) } == "tenant_leaves")
        try await shop.room.restore(shop.tenant, shop.test.act())
        _ = try await shop.room.take(Data("x".utf8), piece: 1, under: try shop.address(waiting), shop.test.act())
        // A content of which no row knows leaves as well.
        let stray = FileKey(tenant: shop.tenant.description, path: "p/x/y")
        _ = try await shop.paper.put(FileContent(stray, "text/plain", Data("s".utf8)))
        #expect(try await shop.room.purge(shop.tenant, shop.test.act()).isEmpty)
        #expect(shop.paper.names.isEmpty)
        #expect(try await shop.rows().isEmpty)
        #expect(try await shop.room.purge(shop.tenant, shop.test.act()).isEmpty)
    }

    @Test("a share names somebody who is there, is changed and ended, and a project has two hundred of them")
    func shares() async throws {
        let shop = try await Workshop()
        let project = try await shop.project()
        let act = shop.test.act()
        #expect(
            await shop.refusal { _ = try await shop.room.share(project, with: .member(MembershipID(UUID())), .read, shop.owner, act) }
                == "not_found")
        #expect(
            await shop.refusal { _ = try await shop.room.share(project, with: .team(TeamID(UUID())), .read, shop.owner, act) }
                == "not_found")
        #expect(await shop.refusal { _ = try await shop.room.share(project, with: .everyone, nil, shop.owner, act) } == "not_found")
        #expect(try await shop.room.share(project, with: .everyone, .read, shop.owner, act) == [ProjectShare(.everyone, .read)])
        #expect(try await shop.room.share(project, with: .everyone, .write, shop.owner, act) == [ProjectShare(.everyone, .write)])
        let developer = try await shop.join(.developer)
        #expect(try await shop.room.get(project, developer, act).reach == .write)
        #expect(try await shop.room.share(project, with: .everyone, nil, shop.owner, act).isEmpty)
        #expect(await shop.refusal { _ = try await shop.room.get(project, developer, act) } == "not_found")
        for text in ["everyone", "team:\(TeamID(UUID()))", "member:\(MembershipID(UUID()))"] {
            #expect(ProjectShare.Target(text)?.text == text)
        }
        for text in ["", "all", "team", "team:", "member:x", "everyone:", "everyone:x"] { #expect(ProjectShare.Target(text) == nil) }
    }
}

/// Keeps what an export gives.
final class PaperSink: ExportSink {
    let records = Guarded<[(String, JSONValue)]>([])
    let files = Guarded<[String: Data]>([:])
    func record(_ kind: String, _ object: JSONValue) async throws { records.with { $0.append((kind, object)) } }
    func line(_ kind: String, _ text: String) async throws { records.with { $0.append((kind, .string(text))) } }
    func file(_ kind: String, path: [String], content: any AsyncSequence<[UInt8], any Error> & Sendable) async throws {
        var all = Data()
        for try await part in content { all += Data(part) }
        files.with { $0[path.joined(separator: "/")] = all }
    }
}
