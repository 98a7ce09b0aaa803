import Foundation
import PluginKit

// What is not there, whose it is, and what goes wrong on the way.
extension ProvisionerConformance {
    func absent() async throws -> [String] {
        let stage = try await subject.stage(.works)
        var faults = try await state(.absent, stage.provisioner, "Before anything")
        for _ in 1...2 { try await carryOut(.delete, stage.provisioner) }
        if !(try await stage.things().isEmpty) { faults.append("Deleting made \(try await stage.things()).") }
        return faults + (try await stage.provisioner.list(tenant: "t1").isEmpty ? [] : ["Nothing is listed as something."])
    }

    func deleted() async throws -> [String] {
        var faults: [String] = []
        let probe = try await subject.stage(.works)
        let size = try size(probe.provisioner)
        let count = try await probe.provisioner.steps(for: .create(size)).count
        let others = WorkstationKey(tenant: "t1", name: "mary2")
        for (what, tasks, steps) in (0..<count).map({ ("after \($0) steps", [WorkstationTask](), $0) })
            + [("running", [], .max), ("stopped", [.stop], .max), ("suspended", [.suspend], .max)]
        {
            let stage = try await subject.stage(.works)
            try await carryOut(.create(size), stage.provisioner, others)
            let kept = try await stage.things().sorted()
            try await carryOut(.create(size), stage.provisioner, steps: steps)
            for task in tasks { try await carryOut(task, stage.provisioner) }
            let credential = try await stage.provisioner.observe(Self.key).credential
            for _ in 1...2 { try await carryOut(.delete, try await stage.again()) }
            faults += try await state(.absent, stage.provisioner, "Deleted \(what)")
            if try await stage.things().sorted() != kept {
                faults.append("Deleted \(what), there is \(try await stage.things()) for \(kept).")
            }
            if let credential, try await stage.secret("t1", credential) != nil { faults.append("Deleted \(what), its secret is left.") }
        }
        return faults
    }

    func tenants() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let provisioner = stage.provisioner
        let size = try size(provisioner)
        for (tenant, name) in [("t1", "b"), ("t1", "a"), ("t2", "a"), ("t1-x", "c"), ("t10", "a")] {
            try await carryOut(.create(size), provisioner, WorkstationKey(tenant: tenant, name: name))
        }
        try await carryOut(.create(size), provisioner, WorkstationKey(tenant: "t1", name: "half"), steps: 1)
        var faults: [String] = []
        for (tenant, names) in [("t1", ["a", "b", "half"]), ("t2", ["a"]), ("t", []), ("t1-", [])] {
            let found = try await provisioner.list(tenant: tenant)
            if found.map(\.key.name) != names || !found.allSatisfy({ $0.key.tenant == tenant }) {
                faults.append("\(tenant) has \(found.map(\.key)).")
            }
            for one in found where try await provisioner.observe(one.key) != one {
                faults.append("\(one.key) is listed otherwise than it is.")
            }
        }
        try await carryOut(.delete, provisioner, WorkstationKey(tenant: "t1", name: "a"))
        if try await provisioner.observe(WorkstationKey(tenant: "t2", name: "a")).state != .running {
            faults.append("One tenant's deletion took another's.")
        }
        return faults
    }

    func keys() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let provisioner = stage.provisioner
        let size = try size(provisioner)
        var faults: [String] = []
        let bad = ["", ".", "..", "../x", "a/b", "a b", "a\0", "a;rm -rf", "$(x)", "ä", String(repeating: "x", count: 101)]
        for key in bad.map({ WorkstationKey(tenant: "t1", name: $0) }) + bad.map({ WorkstationKey(tenant: $0, name: "x") }) {
            let what = "\(key)".prefix(30).debugDescription
            let names = try await provisioner.steps(for: .create(size))
            let step = WorkstationStep(key: key, task: .create(size), name: names.first ?? "")
            faults += fault("Making \(what)", await thrown { _ = try await provisioner.carryOut(step) }, unless: Self.isRefused)
            faults += fault("Looking at \(what)", await thrown { _ = try await provisioner.observe(key) }, unless: Self.isRefused)
        }
        faults += fault("Listing for ../x", await thrown { _ = try await provisioner.list(tenant: "../x") }, unless: Self.isRefused)
        return faults + (try await stage.things().isEmpty ? [] : ["There is \(try await stage.things())."])
    }

    func lostAnswers() async throws -> [String] {
        let stage = try await subject.stage(.losesAnswers)
        let size = try size(stage.provisioner)
        let names = try await stage.provisioner.steps(for: .create(size))
        let first = WorkstationStep(key: Self.key, task: .create(size), name: names.first ?? "")
        var faults = fault("A step whose answer was lost", await thrown { _ = try await stage.provisioner.carryOut(first) }) {
            if case .unknown = $0 { true } else { false }
        }
        let provisioner = try await stage.again()
        if names.count > 1 { faults += try await state(.provisioning, provisioner, "After a step whose answer was lost") }
        try await carryOut(.create(size), provisioner)
        let whole = try await subject.stage(.works)
        try await carryOut(.create(size), whole.provisioner)
        let (count, wanted) = (try await stage.things().count, try await whole.things().count)
        return try await faults + state(.running, provisioner, "Asked again")
            + (count == wanted ? [] : ["There are \(count) things for \(wanted)."])
    }

    func away() async throws -> [String] {
        let stage = try await subject.stage(.away)
        let provisioner = stage.provisioner
        let size = try size(provisioner)
        var faults = fault("Looking", await thrown { _ = try await provisioner.observe(Self.key) }, unless: Self.isUnavailable)
        faults += fault("Listing", await thrown { _ = try await provisioner.list(tenant: "t1") }, unless: Self.isUnavailable)
        faults += fault("Counting", await thrown { _ = try await provisioner.figures() }, unless: Self.isUnavailable)
        faults += fault("Making", await thrown { try await carryOut(.create(size), provisioner) }, unless: Self.isUnavailable)
        _ = try await stage.again()
        return faults + (try await stage.things().isEmpty ? [] : ["There is \(try await stage.things())."])
    }

    func full() async throws -> [String] {
        let stage = try await subject.stage(.full)
        let size = try size(stage.provisioner)
        let before = try await stage.things().sorted()
        let faults = fault("One more than there is room for", await thrown { try await carryOut(.create(size), stage.provisioner) }) {
            if case .full = $0 { true } else { false }
        }
        try await carryOut(.delete, stage.provisioner)
        let after = try await stage.things().sorted()
        return faults + (after == before ? [] : ["There is \(after) for \(before)."])
    }

    func counted() async throws -> [String] {
        let stage = try await subject.stage(.works)
        let provisioner = stage.provisioner
        let size = try size(provisioner)
        let before = try await provisioner.figures()
        try await carryOut(.create(size), provisioner)
        try await carryOut(.create(size), provisioner, WorkstationKey(tenant: "t2", name: "x"))
        let during = try await provisioner.figures()
        try await carryOut(.delete, provisioner)
        let after = try await provisioner.figures()
        let areRight =
            during.workstations == before.workstations + 2 && during.diskBytes == before.diskBytes + 2 * size.diskBytes
            && after.workstations == before.workstations + 1 && after.diskBytes == before.diskBytes + size.diskBytes
        return areRight ? [] : ["It counts \(before), with two more \(during), with one less \(after)."]
    }
}
