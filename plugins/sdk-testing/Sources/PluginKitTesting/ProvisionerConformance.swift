import Foundation
import PluginKit

/// How what stands behind a provisioner behaves.
public enum ProvisionerSituation: String, Sendable, Hashable, CaseIterable {
    case works
    /// What changes something is carried out, and the answer never comes.
    case losesAnswers
    /// Nothing can be asked.
    case away
    /// No room is left for one more.
    case full
}

/// A provisioner at work over a world of the tests' own.
public struct ProvisionerStage: Sendable {
    public var provisioner: any Provisioner
    /// The same world, in order again, under a new provisioner: what a server sees after a crash.
    public var again: @Sendable () async throws -> any Provisioner
    /// Everything that really is there, by names of the subject's own: machines, disks, secrets. Nothing is left behind where it is empty.
    public var things: @Sendable () async throws -> [String]
    /// The secret at a place that `credential` named; nil where there is none.
    public var secret: @Sendable (_ tenant: String, _ place: String) async throws -> String?
    public init(
        provisioner: any Provisioner, again: @escaping @Sendable () async throws -> any Provisioner,
        things: @escaping @Sendable () async throws -> [String],
        secret: @escaping @Sendable (_ tenant: String, _ place: String) async throws -> String?
    ) {
        self.provisioner = provisioner
        self.again = again
        self.things = things
        self.secret = secret
    }
}

/// What the conformance kit must know of one provisioner.
public protocol ProvisionerSubject: Sendable {
    /// A new, empty world that behaves so, and a provisioner over it.
    func stage(_ situation: ProvisionerSituation) async throws -> ProvisionerStage
    /// Lets time pass until what is under way can be asked for again.
    func pass(_ span: Duration) async
}

/// Tries a provisioner the way a server does that crashes between any two steps. Every provisioner passes it, shipped or not.
public struct ProvisionerConformance: Sendable {
    let subject: any ProvisionerSubject
    public init(_ subject: any ProvisionerSubject) { self.subject = subject }

    /// Runs every check; the order is stable.
    public func run(stoppingAtFault: Bool = false) async -> [ConformanceFinding] {
        let checks: [(String, @Sendable () async throws -> [String])] = [
            ("it says what it offers, and the steps of each task, always the same", declared),
            ("what is created runs, as large as was said, and is reached with a secret that is told to nobody", created),
            ("creating the same again makes nothing more, and another size is a conflict", repeated),
            ("a crash after any step, and beginning anew, makes one thing", crashed),
            ("a step before those that it needs is out of order and makes nothing", ordered),
            ("many who create the same at once make one thing", raced),
            ("start, stop, resize, suspend and restore lead where they say, however often", moved),
            ("a task that does not fit the state is a conflict and changes nothing", unfit),
            ("a disk never shrinks, and no size is taken that is not offered", bounded),
            ("what is not there is absent, and deleting it is done", absent),
            ("deleting takes everything with it, from whatever state, half-made too", deleted),
            ("another tenant's is not there, and a list is one tenant's, in order", tenants),
            ("what is no key is refused before it is used", keys),
            ("an answer that is lost leaves it unknown, and asking settles it", lostAnswers),
            ("a provisioner that is away is unavailable, never without workstations", away),
            ("without room nothing is left of what was begun, once it is deleted", full),
            ("figures count what is there", counted),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do { findings.append(ConformanceFinding(check: name, faults: try await check())) } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
            if stoppingAtFault, findings.last?.holds == false { break }
        }
        return findings
    }

    // MARK: - What all use

    static let key = WorkstationKey(tenant: "t1", name: "mary")
    func size(_ provisioner: any Provisioner, disk: Int64 = 1_048_576) throws -> WorkstationSize {
        guard let machine = provisioner.offer.machines.first else { throw PluginRefusal("It offers no machine.") }
        return WorkstationSize(machine: machine.name, diskBytes: min(disk, provisioner.offer.maxDiskBytes), idleStop: .hours(1))
    }
    /// Carries steps out as a server does, each until it is done.
    func carryOut(
        _ task: WorkstationTask, _ provisioner: any Provisioner, _ key: WorkstationKey = key, steps: Int = .max
    ) async throws {
        for name in try await provisioner.steps(for: task).prefix(steps) {
            try await step(name, task, provisioner, key)
        }
    }
    func step(_ name: String, _ task: WorkstationTask, _ provisioner: any Provisioner, _ key: WorkstationKey = key) async throws {
        for _ in 0..<20 {
            switch try await provisioner.carryOut(WorkstationStep(key: key, task: task, name: name)) {
            case .underWay(let again): await subject.pass(again)
            default: return
            }
        }
        throw PluginRefusal("The step \(name) is not done after 20 times.")
    }
    func thrown(_ work: () async throws -> Void) async -> (any Error)? {
        do { try await work() } catch { return error }
        return nil
    }
    func fault(_ what: String, _ error: (any Error)?, unless isRight: (ProvisionerError) -> Bool) -> [String] {
        guard let error else { return ["\(what) was carried out."] }
        guard let known = error as? ProvisionerError, isRight(known) else { return ["\(what) threw \(error)."] }
        return []
    }
    static func isConflict(_ error: ProvisionerError) -> Bool { if case .conflict = error { true } else { false } }
    static func isRefused(_ error: ProvisionerError) -> Bool { if case .refused = error { true } else { false } }
    static func isUnavailable(_ error: ProvisionerError) -> Bool { if case .unavailable = error { true } else { false } }
    func state(_ wanted: WorkstationState, _ provisioner: any Provisioner, _ what: String) async throws -> [String] {
        let shown = try await provisioner.observe(Self.key).state
        return shown == wanted ? [] : ["\(what), it is \(shown.rawValue)."]
    }

    // MARK: - Checks

    func declared() async throws -> [String] {
        let provisioner = try await subject.stage(.works).provisioner
        var faults = [provisioner.offer.fault.map { "Its offer: \($0)." }].compactMap(\.self)
        let size = try size(provisioner)
        for task in [WorkstationTask.create(size), .start, .stop, .resize(size), .suspend, .restore, .delete] {
            let names = try await provisioner.steps(for: task)
            if names.isEmpty || Set(names).count != names.count { faults.append("\(task) has the steps \(names).") }
            if try await provisioner.steps(for: task) != names { faults.append("\(task) has other steps the second time.") }
        }
        return faults
    }

    func created() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let size = try size(stage.provisioner)
        try await carryOut(.create(size), stage.provisioner)
        var faults: [String] = []
        for (who, provisioner) in [("", stage.provisioner), ("After a restart: ", try await stage.again())] {
            let shown = try await provisioner.observe(Self.key)
            if shown.state != .running || shown.size != size { faults.append("\(who)It is \(shown.state.rawValue), \(shown.size as Any).") }
            guard shown.address != nil, let place = shown.credential else {
                faults.append("\(who)It runs without address or credential.")
                continue
            }
            guard let secret = try await stage.secret("t1", place), secret.utf8.count >= 16 else {
                faults.append("\(who)Where the credential should lie there is no secret of 16 bytes.")
                continue
            }
            if "\(shown)".contains(secret) { faults.append("\(who)It tells the secret.") }
        }
        return faults
    }

    func repeated() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let size = try size(stage.provisioner)
        try await carryOut(.create(size), stage.provisioner)
        let things = try await stage.things()
        let before = try await stage.provisioner.observe(Self.key)
        try await carryOut(.create(size), stage.provisioner)
        var faults: [String] = []
        if try await stage.things() != things { faults.append("Now there are \(try await stage.things()), before \(things).") }
        if try await stage.provisioner.observe(Self.key) != before { faults.append("It changed.") }
        let larger = try self.size(stage.provisioner, disk: 2_097_152)
        faults += fault(
            "Creating another size", await thrown { try await carryOut(.create(larger), stage.provisioner) }, unless: Self.isConflict)
        if try await stage.provisioner.observe(Self.key) != before { faults.append("What was there changed by a conflict.") }
        return faults
    }

    func crashed() async throws -> [String] {
        let whole = try await subject.stage(.works)
        let size = try size(whole.provisioner)
        let names = try await whole.provisioner.steps(for: .create(size))
        try await carryOut(.create(size), whole.provisioner)
        let things = try await whole.things().count
        var faults: [String] = []
        for done in 0...names.count {
            // From the beginning, and from where it was.
            for start in [0, done] {
                let stage = try await subject.stage(.works)
                try await carryOut(.create(size), stage.provisioner, steps: done)
                let provisioner = try await stage.again()
                let half = try await provisioner.observe(Self.key).state
                if done > 0, done < names.count, half != .provisioning { faults.append("After \(done) steps it is \(half.rawValue).") }
                for name in names.dropFirst(start) { try await step(name, .create(size), provisioner) }
                faults += try await state(.running, provisioner, "After a crash behind step \(done)")
                let count = try await stage.things().count
                if count != things { faults.append("After a crash behind step \(done) there are \(count) things for \(things).") }
            }
        }
        return faults
    }

    func ordered() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let size = try size(stage.provisioner)
        let names = try await stage.provisioner.steps(for: .create(size))
        guard names.count > 1 else { return [] }
        var faults: [String] = []
        for name in names.dropFirst() {
            let step = WorkstationStep(key: Self.key, task: .create(size), name: name)
            faults += fault("\(name) before the others", await thrown { _ = try await stage.provisioner.carryOut(step) }) {
                if case .outOfOrder = $0 { true } else { false }
            }
        }
        let foreign = WorkstationStep(key: Self.key, task: .create(size), name: "no-such-step")
        faults += fault(
            "A step that there is not", await thrown { _ = try await stage.provisioner.carryOut(foreign) }, unless: Self.isRefused)
        return faults + (try await stage.things().isEmpty ? [] : ["There is \(try await stage.things())."])
    }

    func raced() async throws -> [String] {
        let whole = try await subject.stage(.works)
        let size = try size(whole.provisioner)
        try await carryOut(.create(size), whole.provisioner)
        let stage = try await subject.stage(.works)
        await withTaskGroup(of: Void.self) { group in
            // Who loses the race asks again, as a server does.
            for _ in 0..<4 { group.addTask { for _ in 0..<4 { try? await carryOut(.create(size), stage.provisioner) } } }
        }
        let count = try await stage.things().count
        let wanted = try await whole.things().count
        return try await state(.running, stage.provisioner, "After a race")
            + (count == wanted ? [] : ["There are \(count) things for \(wanted)."])
    }

    func moved() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let provisioner = stage.provisioner
        let size = try size(provisioner)
        var larger = try self.size(provisioner, disk: 4_194_304)
        larger.machine = provisioner.offer.machines.last?.name ?? larger.machine
        try await carryOut(.create(size), provisioner)
        var faults: [String] = []
        let way: [(WorkstationTask, WorkstationState, WorkstationSize)] = [
            (.stop, .stopped, size), (.start, .running, size), (.stop, .stopped, size), (.resize(larger), .stopped, larger),
            (.start, .running, larger),
            (.suspend, .suspended, larger), (.restore, .stopped, larger), (.suspend, .suspended, larger), (.restore, .stopped, larger),
            (.start, .running, larger),
        ]
        for (task, state, size) in way {
            for time in ["once", "twice"] {
                try await carryOut(task, time == "once" ? provisioner : try await stage.again())
                let shown = try await provisioner.observe(Self.key)
                if shown.state != state || shown.size != size {
                    faults.append("\(task) \(time): \(shown.state.rawValue), \(shown.size as Any).")
                }
                if (shown.address != nil) != (state == .running) {
                    faults.append("\(task) \(time): its address is \(shown.address ?? "none").")
                }
            }
        }
        return faults
    }

    func unfit() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let provisioner = stage.provisioner
        let size = try size(provisioner)
        try await carryOut(.create(size), provisioner)
        var faults: [String] = []
        func conflicts(_ task: WorkstationTask, _ when: String) async throws {
            let before = try await provisioner.observe(Self.key)
            faults += fault("\(task) while \(when)", await thrown { try await carryOut(task, provisioner) }, unless: Self.isConflict)
            if try await provisioner.observe(Self.key) != before { faults.append("\(task) while \(when) changed it.") }
        }
        let larger = try self.size(provisioner, disk: 4_194_304)
        try await conflicts(.resize(larger), "running")
        try await carryOut(.suspend, provisioner)
        for task in [WorkstationTask.start, .stop, .resize(larger), .create(size)] { try await conflicts(task, "suspended") }
        try await carryOut(.delete, provisioner)
        for task in [WorkstationTask.start, .stop, .resize(larger), .suspend, .restore] { try await conflicts(task, "absent") }
        return faults + (try await stage.things().isEmpty ? [] : ["There is \(try await stage.things())."])
    }

    func bounded() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let provisioner = stage.provisioner
        let good = try size(provisioner, disk: 2_097_152)
        var faults: [String] = []
        let bad: [(inout WorkstationSize) -> Void] = [
            { $0.machine = "no-such-machine" }, { $0.machine = "" }, { $0.machine = "../x" }, { $0.diskBytes = 0 }, { $0.diskBytes = -1 },
            { $0.diskBytes = provisioner.offer.maxDiskBytes + 1 }, { $0.diskBytes = .max }, { $0.idleStop = .zero },
            { $0.idleStop = .days(4_000) },
        ]
        for change in bad {
            var size = good
            change(&size)
            let changed = size
            faults += fault(
                "The size \(changed)", await thrown { try await carryOut(.create(changed), provisioner) }, unless: Self.isRefused)
        }
        if !(try await stage.things().isEmpty) { faults.append("There is \(try await stage.things()).") }
        try await carryOut(.create(good), provisioner)
        try await carryOut(.stop, provisioner)
        let smaller = try size(provisioner)
        faults += fault("A disk that shrinks", await thrown { try await carryOut(.resize(smaller), provisioner) }) {
            Self.isRefused($0) || Self.isConflict($0)
        }
        if try await provisioner.observe(Self.key).size != good { faults.append("A disk that shrank.") }
        return faults
    }
}
