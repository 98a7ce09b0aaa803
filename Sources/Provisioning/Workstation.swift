import PluginKit
import Vocabulary

package enum WorkstationMark {}

/// How large a workstation is, as a tier says it.
package struct WorkstationSizing: Sendable, Hashable, Codable {
    package var machine: String
    package var diskBytes: Int64
    package var idleSeconds: Int64
    package init(machine: String, diskBytes: Int64, idleSeconds: Int64) {
        self.machine = machine
        self.diskBytes = diskBytes
        self.idleSeconds = idleSeconds
    }
    enum CodingKeys: String, CodingKey {
        case machine
        case diskBytes = "disk_bytes"
        case idleSeconds = "idle_seconds"
    }
    var asked: WorkstationSize { WorkstationSize(machine: machine, diskBytes: diskBytes, idleStop: .seconds(idleSeconds)) }
    init(_ size: WorkstationSize, else other: WorkstationSizing) {
        self.init(
            machine: size.machine, diskBytes: size.diskBytes, idleSeconds: size.idleStop.map { $0.components.seconds } ?? other.idleSeconds)
    }
    /// The same on a disk that is there already: a disk never shrinks.
    func over(_ made: WorkstationSizing?) -> WorkstationSizing {
        var size = self
        size.diskBytes = max(size.diskBytes, made?.diskBytes ?? 0)
        return size
    }
}

/// One member's workstation, as the room knows it; what really is there is the provisioner's to say.
package struct Workstation: Sendable, Hashable {
    package typealias ID = Identifier<WorkstationMark>
    package enum State: String, LifecycleState {
        case requested, provisioning, running, stopped, resizing, suspended, deleting, deleted, failed
    }
    /// What it should come to.
    package enum Wish: String, Sendable, CaseIterable { case running, stopped, suspended, gone }
    /// What is being worked off, one step after the other.
    package enum Work: String, Sendable, CaseIterable {
        case create, start, stop, resize, suspend, restore, delete
        /// Takes back what a `create` made that failed or is no longer wanted.
        case undo
    }

    package let id: ID
    package let tenant: TenantID
    package var user: UserID
    package var state: State
    package var wish: Wish
    package var size: WorkstationSizing
    /// Nil where nothing was ever finished.
    package var made: WorkstationSizing?
    package var work: Work?
    package var beganAt: Timestamp?
    /// Steps of the work that are done.
    package var step = 0
    package var attempt = 0
    /// Nobody knows what became of the last call.
    package var isUnknown = false
    package var nextAt: Timestamp?
    /// For people: why it waits or failed. No secret.
    package var note = ""
    package var address: String?
    /// Where the provisioner keeps the secret; never the secret itself.
    package var credential: String?
    package var activeAt: Timestamp
    package var turn: Int64 = 1
    package var busyUntil = Timestamp(microseconds: 0)
    package var busyBy: [UInt8]?
    package let createdAt: Timestamp
    package var changedAt: Timestamp

    init(id: ID, tenant: TenantID, user: UserID, size: WorkstationSizing, now: Timestamp) {
        self.init(
            id: id, tenant: tenant, user: user, state: .requested, wish: .running, size: size, activeAt: now, createdAt: now, changedAt: now
        )
    }
    init(
        id: ID, tenant: TenantID, user: UserID, state: State, wish: Wish, size: WorkstationSizing, made: WorkstationSizing? = nil,
        work: Work? = nil, activeAt: Timestamp, createdAt: Timestamp, changedAt: Timestamp
    ) {
        self.id = id
        self.tenant = tenant
        self.user = user
        self.state = state
        self.wish = wish
        self.size = size
        self.made = made
        self.work = work
        self.activeAt = activeAt
        self.createdAt = createdAt
        self.changedAt = changedAt
    }

    /// What the provisioner calls it.
    var key: WorkstationKey { WorkstationKey(tenant: tenant.description, name: id.description) }

    /// It sleeps, and nothing is under way that could change it.
    package var isAsleep: Bool { state == .deleted || wish == .suspended && !hasMore }

    /// When it stops by itself; nil where it does not run.
    var idleAt: Timestamp? { state == .running ? activeAt + .seconds(made?.idleSeconds ?? size.idleSeconds) : nil }

    func task(of work: Work) -> WorkstationTask {
        switch work {
        case .create: .create(size.asked)
        case .start: .start
        case .stop: .stop
        case .resize: .resize(size.asked)
        case .suspend: .suspend
        case .restore: .restore
        case .delete, .undo: .delete
        }
    }
}
