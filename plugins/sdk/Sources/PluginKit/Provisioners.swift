// since 1.2
import Foundation

/// For the kind `provisioner`: makes workstations and takes them away again, each as a few steps that the server repeats until they are done.
///
/// The server keeps the plan: it asks for the steps of a task, has each carried out, and after a crash begins again wherever it likes. So a
/// step that is done stays done, whoever asks again, and what is really there is read by `observe`, never remembered. Everything throws
/// `ProvisionerError`; every call answers within `ProvisionerLimits.answerSeconds`.
public protocol Provisioner: Sendable {
    /// What it offers. Constant while it runs.
    var offer: WorkstationOffer { get }
    /// The names of the steps in their order: at least one, always the same for the same task.
    func steps(for task: WorkstationTask) async throws -> [String]
    /// Carries one step out, or finds it done. Throws `outOfOrder` where one before it is not done.
    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome
    /// What is really there; `absent` where there is nothing.
    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation
    /// Everything of one tenant that is there, half-made ones too, in the order of their names.
    func list(tenant: String) async throws -> [ObservedWorkstation]
    /// What is in use and what there may be.
    func figures() async throws -> ProvisionerFigures
}

/// Whose it is, and what the server calls it: segments as in a `FileKey`.
public struct WorkstationKey: Sendable, Hashable, Codable, CustomStringConvertible {
    public var tenant: String
    public var name: String
    public init(tenant: String, name: String) {
        self.tenant = tenant
        self.name = name
    }
    public var description: String { "\(tenant)/\(name)" }
    /// Nil if the key is fine, else what is wrong with it.
    public var fault: String? {
        if let fault = FileKey(tenant: tenant, path: "x").fault { return fault }
        return FileKey.isSegment(name) ? nil : "a workstation's name is one segment of letters, digits and . _ -, and begins with no dot"
    }
}

/// A machine as a tier names it.
public struct MachineType: Sendable, Hashable, Codable {
    public var name: String
    public var cpuMillis: Int
    public var memoryBytes: Int64
    public init(name: String, cpuMillis: Int, memoryBytes: Int64) {
        self.name = name
        self.cpuMillis = cpuMillis
        self.memoryBytes = memoryBytes
    }
}

public struct WorkstationOffer: Sendable, Hashable, Codable {
    /// At least one; names are segments.
    public var machines: [MachineType]
    public var maxDiskBytes: Int64
    public init(machines: [MachineType], maxDiskBytes: Int64) {
        self.machines = machines
        self.maxDiskBytes = maxDiskBytes
    }
}

public struct WorkstationSize: Sendable, Hashable, Codable {
    /// Of the offer.
    public var machine: String
    public var diskBytes: Int64
    /// Stops by itself after so long without use; nil: never.
    public var idleStop: Duration?
    public init(machine: String, diskBytes: Int64, idleStop: Duration? = nil) {
        self.machine = machine
        self.diskBytes = diskBytes
        self.idleStop = idleStop
    }
}

public enum WorkstationTask: Sendable, Hashable, Codable {
    /// From nothing to `running`. Where it is there already with this size: done; with another: `conflict`.
    case create(WorkstationSize)
    /// From `stopped` to `running`.
    case start
    /// From `running` to `stopped`; what is on the disk stays.
    case stop
    /// While `stopped`. A disk never shrinks.
    case resize(WorkstationSize)
    /// From any state to `suspended`: nothing of it runs, and nothing starts it but `restore`.
    case suspend
    /// From `suspended` to `stopped`.
    case restore
    /// From any state, half-made ones too, to nothing; done where there is nothing.
    case delete
}

public struct WorkstationStep: Sendable, Hashable, Codable {
    public var key: WorkstationKey
    public var task: WorkstationTask
    /// Of `steps(for:)`.
    public var name: String
    public init(key: WorkstationKey, task: WorkstationTask, name: String) {
        self.key = key
        self.task = task
        self.name = name
    }
}

public enum StepOutcome: Sendable, Hashable, Codable {
    case done
    /// It has begun and takes longer than a call: asked again after this.
    case underWay(again: Duration)
}

public enum WorkstationState: String, Sendable, Hashable, Codable, CaseIterable {
    case absent, provisioning, running, stopped, resizing, suspended, deleting, failed
}

public struct ObservedWorkstation: Sendable, Hashable, Codable {
    public var key: WorkstationKey
    public var state: WorkstationState
    /// Nil where there is nothing.
    public var size: WorkstationSize?
    /// Where people reach it, while it runs.
    public var address: String?
    /// Where the secret lies with which it is reached: a key of the plugin's space for this tenant. Never the secret itself.
    public var credential: String?
    /// For people and logs: no secret. Of a failed one: why.
    public var note: String
    public init(
        key: WorkstationKey, state: WorkstationState, size: WorkstationSize? = nil, address: String? = nil, credential: String? = nil,
        note: String = ""
    ) {
        self.key = key
        self.state = state
        self.size = size
        self.address = address
        self.credential = credential
        self.note = note
    }
}

public struct ProvisionerFigures: Sendable, Hashable, Codable {
    public var workstations: Int
    public var diskBytes: Int64
    /// Nil: without limit.
    public var maxWorkstations: Int?
    public init(workstations: Int, diskBytes: Int64, maxWorkstations: Int? = nil) {
        self.workstations = workstations
        self.diskBytes = diskBytes
        self.maxWorkstations = maxWorkstations
    }
}

public enum ProvisionerLimits {
    public static let answerSeconds = 60
    public static let maxSteps = 32
    public static let maxListed = 1_000
    public static let maxMachines = 100
}

/// Why a step was not carried out. Texts are for logs and operators: no secret.
///
/// | case | done? | again? |
/// | --- | --- | --- |
/// | `unavailable` | no | yes, later |
/// | `unknown` | perhaps | settled by `observe`, then the step again |
/// | `full` | no | once there is room |
/// | `outOfOrder` | no | after the steps before it |
/// | `conflict`, `refused` | no | not as it is |
public enum ProvisionerError: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    case unavailable(String)
    case unknown(String)
    case full(String)
    case outOfOrder(String)
    /// What is there is in a state, or of a size, for which this task is not.
    case conflict(String)
    case refused(String)

    public var description: String {
        switch self {
        case .unavailable(let what): "unavailable: \(what)"
        case .unknown(let what): "unknown: \(what)"
        case .full(let what): "full: \(what)"
        case .outOfOrder(let what): "out of order: \(what)"
        case .conflict(let what): "conflict: \(what)"
        case .refused(let what): "refused: \(what)"
        }
    }
}

extension WorkstationOffer {
    /// Nil if this size is offered, else what is wrong with it.
    public func fault(in size: WorkstationSize) -> String? {
        guard machines.contains(where: { $0.name == size.machine }) else { return "there is no such machine" }
        guard (1...maxDiskBytes).contains(size.diskBytes) else { return "a disk has 1 to \(maxDiskBytes) bytes" }
        if let idle = size.idleStop, !(Duration.seconds(60)...Duration.days(30)).contains(idle) { return "idle for 60 s to 30 days" }
        return nil
    }
    /// Nil if it describes itself well.
    public var fault: String? {
        guard (1...ProvisionerLimits.maxMachines).contains(machines.count), Set(machines.map(\.name)).count == machines.count else {
            return "machines: 1 to \(ProvisionerLimits.maxMachines), each once"
        }
        let areFine = machines.allSatisfy { FileKey.isSegment($0.name) && $0.cpuMillis > 0 && $0.memoryBytes > 0 }
        return areFine && maxDiskBytes > 0 ? nil : "machines with a name that is none, or without processor, memory or disk"
    }
}

extension WorkstationTask {
    public var size: WorkstationSize? {
        switch self {
        case .create(let size), .resize(let size): size
        default: nil
        }
    }
}

extension PluginKind {
    public static let provisioner = PluginKind(rawValue: "provisioner")
}
// end of 1.2
