import Catalog
import HookEngine
import PluginKit
import Store
import Vocabulary

package enum ProvisioningRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "provisioning", bundle: .module) }
}

/// What the room asks others of a tenant; Composition answers.
package protocol TenantSurvey: Sendable {
    /// The tier of the tenant's licence, and whether that gives access now; nil: there is none.
    func tier(_ tenant: TenantID, now: Timestamp) async throws -> LiveTier?
    /// The members whose role has a workstation, as of now.
    func holders(_ tenant: TenantID, _ act: Act) async throws -> Set<UserID>
    /// Who owns the tenant: the first key is made for the one who has done so longest.
    func owner(_ tenant: TenantID) async throws -> UserID?
    /// The workstations of people who are no members any more that stay for now: user, and whether it may do more than sleep.
    func kept(_ tenant: TenantID, _ act: Act) async throws -> [UserID: Bool]
    /// Whose kept workstations this member may open.
    func opened(to user: UserID, in tenant: TenantID, _ act: Act) async throws -> Set<UserID>
    /// `us`, `eu`, `apac`
    func region(_ tenant: TenantID) async throws -> String
}
extension TenantSurvey {
    package func kept(_ tenant: TenantID, _ act: Act) async throws -> [UserID: Bool] { [:] }
    package func opened(to user: UserID, in tenant: TenantID, _ act: Act) async throws -> Set<UserID> { [] }
}
package struct LiveTier: Sendable, Hashable {
    package var name: String
    package var isLive: Bool
    package init(name: String, isLive: Bool) {
        self.name = name
        self.isLive = isLive
    }
}

/// The tenant's first API key, made in the transaction of the step that needs it.
package protocol FirstKeys: Sendable {
    /// What a key of this owner may carry.
    func permissions(_ owner: UserID, _ tenant: TenantID, _ act: Act) async throws -> [String]
    /// Throws a `Problem` where the owner may have no more.
    func issue(
        to owner: UserID, permissions: [String], of tenant: TenantID, in db: any KernelScope, _ act: Act
    ) throws -> (id: APIKeyID, text: String)
    /// Done, too, where it is revoked already.
    func revoke(_ id: APIKeyID, of tenant: TenantID, in db: any KernelScope, _ act: Act) throws
}

/// Who makes workstations.
package protocol WorkstationMakers: Sendable {
    /// Nil where no such plugin is at work.
    func provisioner(_ plugin: String) -> (any Provisioner)?
    /// What lies at a place that the plugin named; nil where nothing does.
    func secret(_ plugin: String, tenant: TenantID, place: String) async throws -> String?
}

package struct ProvisioningFloor: Sendable {
    package let store: any Store
    package let hooks: any Hooks
    package let sealer: any Sealer
    package let entropy: any Entropy
    package let settings: Settings
    package init(store: any Store, hooks: any Hooks, sealer: any Sealer, entropy: any Entropy, settings: Settings) {
        self.store = store
        self.hooks = hooks
        self.sealer = sealer
        self.entropy = entropy
        self.settings = settings
    }
}

struct ProvisioningParts: Sendable {
    let floor: ProvisioningFloor
    let catalog: Catalog
    let survey: any TenantSurvey
    let keys: any FirstKeys
    let makers: any WorkstationMakers

    var store: any Store { floor.store }
    var entropy: any Entropy { floor.entropy }
    var plugin: String { floor.settings[ProvisioningSettings.provisioner] }
    var rules: WorkRules { WorkRules(attempts: floor.settings[ProvisioningSettings.attempts]) }
    /// Nobody was named who should be there: what is asked for waits. A plugin that the operator named, and that is not at work, is a fault.
    var isWithoutMaker: Bool {
        plugin.isEmpty || (plugin == ProvisioningSettings.provisioner.default && makers.provisioner(plugin) == nil)
    }
    func provisioner() -> (any Provisioner)? { plugin.isEmpty ? nil : makers.provisioner(plugin) }

    func tellStaff(_ reason: String, about subject: String, in db: any TenantScope, _ act: Act) throws {
        try db.emit(
            MailRequested(
                recipient: .staff, template: "staff_notice", values: ["reason": reason, "tenant": db.tenant.description],
                key: "provisioning:staff:\(reason):\(db.tenant):\(subject)"), act)
    }
}

/// What a tenant gets to work with: a plan for what is set up once, and a workstation for each member whose role has one.
package struct Provisioning: Sendable {
    let parts: ProvisioningParts
    let desk: WorkstationDesk
    let setup: SetupDesk
    let tenantReview: TenantReview

    package init(
        _ floor: ProvisioningFloor, catalog: Catalog, survey: any TenantSurvey, keys: any FirstKeys, makers: any WorkstationMakers
    ) {
        parts = ProvisioningParts(floor: floor, catalog: catalog, survey: survey, keys: keys, makers: makers)
        desk = WorkstationDesk(parts: parts)
        setup = SetupDesk(parts: parts)
        tenantReview = TenantReview(parts: parts)
    }

    var store: any Store { parts.store }

    package func jobs() -> [JobHandler] { desk.jobs() + setup.jobs() + tenantReview.jobs() }
    package func subscribers() -> [EventSubscriber] { tenantReview.subscribers() }
    /// The daily look at every tenant.
    package func start(_ act: Act) async throws { try await tenantReview.start(act) }
    /// Ends what a process that is no more had in hand: the provisioner is asked at once what became of it. Only for a store that no other
    /// process shares, before jobs run.
    package func takeOver() async throws {
        try await store.kernel(KernelReason("provisioning.take_over")) { try $0.run(ProvisioningTable.takeOver) }
    }

    // MARK: What a member sees and does

    package struct Shown: Sendable {
        package let workstation: Workstation
        package let steps: [(name: String, at: Timestamp)]
    }

    private func shown(_ one: Workstation, in db: any TenantScope) throws -> Shown {
        Shown(
            workstation: one,
            steps: try db.rows(ProvisioningTable.stepsDone, one.id).map { (name: try $0.text(0), at: try $0.time(1)) })
    }

    /// One's own; nil where the role has none.
    package func own(_ user: UserID, _ tenant: TenantID) async throws -> Shown? {
        try await store.tenantRead(tenant) { db in
            try ProvisioningBooks(db: db, act: Self.reading).workstation(of: user).map { try shown($0, in: db) }
        }
    }
    /// All of the tenant's, up to one more than `limit`.
    package func list(_ tenant: TenantID, after: Workstation.ID? = nil, limit: Int) async throws -> [Shown] {
        try await store.tenantRead(tenant) { db in
            try ProvisioningBooks(db: db, act: Self.reading).workstations(after: after, limit: limit + 1).map { try shown($0, in: db) }
        }
    }
    /// `user`: only if it is this member's.
    package func get(_ id: Workstation.ID, of user: UserID?, _ tenant: TenantID) async throws -> Shown {
        try await get(id, among: user.map { [$0] }, tenant)
    }
    private func get(_ id: Workstation.ID, among users: Set<UserID>?, _ tenant: TenantID) async throws -> Shown {
        try await store.tenantRead(tenant) { db in
            try shown(try Self.find(id, users, ProvisioningBooks(db: db, act: Self.reading)), in: db)
        }
    }
    private static let reading = Act(actor: .system("provisioning"), requestID: "read", now: Timestamp(microseconds: 0))

    private static func find(_ id: Workstation.ID, _ users: Set<UserID>?, _ books: ProvisioningBooks) throws -> Workstation {
        guard let one = try books.workstation(id), users?.contains(one.user) != false else { throw CommonProblems.notFound }
        return one
    }
    /// The member's own, and those that were handed over; nil: anybody's.
    private func reach(_ user: UserID?, _ tenant: TenantID, _ act: Act) async throws -> Set<UserID>? {
        guard let user else { return nil }
        return try await parts.survey.opened(to: user, in: tenant, act).union([user])
    }

    package func start(_ id: Workstation.ID, of user: UserID?, _ tenant: TenantID, _ act: Act) async throws -> Shown {
        try await change(id, user, tenant, act) { one in
            guard one.wish != .suspended else { throw ProvisioningProblems.suspended }
            guard one.state != .failed else { throw ProvisioningProblems.failed.with(["note": .string(one.note)]) }
            guard one.wish != .gone else { throw CommonProblems.notFound }
            one.wish = .running
            one.activeAt = act.now
        }
    }
    package func stop(_ id: Workstation.ID, of user: UserID?, _ tenant: TenantID, _ act: Act) async throws -> Shown {
        try await change(id, user, tenant, act) { one in if one.wish == .running { one.wish = .stopped } }
    }
    /// Has what failed tried once more.
    package func retry(_ id: Workstation.ID, of user: UserID?, _ tenant: TenantID, _ act: Act) async throws -> Shown {
        try await change(id, user, tenant, act) { one in
            guard one.state == .failed else { throw ProvisioningProblems.notFailed }
            guard one.wish != .gone else { throw CommonProblems.notFound }
            (one.attempt, one.nextAt, one.note) = (0, nil, "")
            one.move(to: .requested, act.now)
        }
    }
    /// Somebody works at it: it does not stop for so long.
    package func touch(_ id: Workstation.ID, of user: UserID, _ tenant: TenantID, _ act: Act) async throws {
        let users = try await reach(user, tenant, act)
        try await store.tenant(tenant) { db in
            let one = try Self.find(id, users, ProvisioningBooks(db: db, act: act))
            if act.now > one.activeAt { try db.run(ProvisioningTable.touch, id, act.now) }
        }
    }

    private func change(
        _ id: Workstation.ID, _ user: UserID?, _ tenant: TenantID, _ act: Act,
        _ body: @escaping @Sendable (inout Workstation) throws -> Void
    ) async throws -> Shown {
        let users = try await reach(user, tenant, act)
        return try await store.tenant(tenant) { db in
            let books = ProvisioningBooks(db: db, act: act)
            let held = try Self.find(id, users, books)
            var one = held
            try body(&one)
            if one != held {
                try db.journal(
                    JournalEntry(
                        "workstation.wished", subject: "workstation:\(id)",
                        details: ["wish": .string(one.wish.rawValue), "retry": .bool(held.state == .failed)]), act)
                try books.save(one, before: held)
            }
            return try shown(try Self.find(id, users, books), in: db)
        }
    }

    package struct Entrance: Sendable {
        package let address: String
        package let token: String
    }
    /// Where it is reached and with what: for its owner alone, or an owner of the tenant to whom it was handed over. Counts as use.
    package func enter(_ id: Workstation.ID, of user: UserID, _ tenant: TenantID, _ act: Act) async throws -> Entrance {
        let one = try await get(id, among: try await reach(user, tenant, act), tenant).workstation
        guard one.state == .running, let address = one.address, let place = one.credential else { throw ProvisioningProblems.notRunning }
        guard let token = try await parts.makers.secret(parts.plugin, tenant: tenant, place: place) else {
            throw ProvisioningProblems.notRunning
        }
        try await store.tenant(tenant) { db in
            try db.run(ProvisioningTable.touch, id, act.now)
            try db.journal(JournalEntry("workstation.entered", subject: "workstation:\(id)"), act)
        }
        return Entrance(address: address, token: token)
    }

    // MARK: What a tenant sees and does

    package struct Progress: Sendable {
        package let plan: SetupPlan
        package let steps: [SetupPlan.Step]
        package let namespace: String?
        package let diskBytes: Int64?
        /// The first key waits for its owner.
        package let keyWaits: Bool
    }
    /// The latest plan; nil before the first purchase.
    package func progress(_ tenant: TenantID) async throws -> Progress? {
        try await store.tenantRead(tenant) { db in
            let books = ProvisioningBooks(db: db, act: Self.reading)
            guard let plan = try books.latestPlan(), let home = try books.home() else { return nil }
            return Progress(
                plan: plan, steps: try books.steps(of: plan.id), namespace: home.namespace, diskBytes: home.diskBytes,
                keyWaits: home.keyBox != nil)
        }
    }
    /// The first key, once, to the person for whom it was made.
    package func takeFirstKey(_ user: UserID, _ tenant: TenantID, _ act: Act) async throws -> (id: APIKeyID, text: String) {
        let sealer = parts.floor.sealer
        return try await store.tenant(tenant, .flushed) { db in
            let books = ProvisioningBooks(db: db, act: act)
            guard var home = try books.home(), let id = home.keyID, home.keyOwner == user, let box = home.keyBox else {
                throw CommonProblems.notFound
            }
            let text = String(decoding: try sealer.open(box, person: user, context: SetupDesk.keyContext(id)), as: UTF8.self)
            home.keyBox = nil
            try books.save(home)
            try db.journal(JournalEntry("provisioning.first_key_shown", subject: "key:\(id)"), act)
            return (id, text)
        }
    }
    /// A plan that failed is asked for anew.
    package func retryPlan(_ tenant: TenantID, _ act: Act) async throws {
        guard let last = try await progress(tenant) else { throw CommonProblems.notFound }
        guard last.plan.state == .failed else { throw ProvisioningProblems.notFailed }
        try await tenantReview.review(tenant, again: true, act)
    }
    /// Looks at the tenant now.
    package func review(_ tenant: TenantID, _ act: Act) async throws { try await tenantReview.review(tenant, act) }
}
