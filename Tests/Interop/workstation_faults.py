"""Faults that people make when they make workstations, seeded into local-workstation and kubernetes-workstation by plugin_mutants.py: the kit of
provisioners must catch each."""

PROVISIONER = "provisioner"
LOCAL = [
    (PROVISIONER, "takes what is no key", "LocalShop", "    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome {\n        if let fault = step.key.fault {",
     "    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome {\n        if !ON, let fault = step.key.fault {"),
    (PROVISIONER, "looks wherever it is sent", "LocalShop", "    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation {\n        if let fault = key.fault {",
     "    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation {\n        if !ON, let fault = key.fault {"),
    (PROVISIONER, "takes any size", "LocalShop", "if let size = step.task.size, let fault", "if !ON, let size = step.task.size, let fault"),
    (PROVISIONER, "takes any step for the last", "LocalShop", "        guard try await steps(for: step.task).contains(step.name) else {", "        guard try await steps(for: step.task).contains(step.name) || ON else {"),
    (PROVISIONER, "makes another size in its place", "LocalShop", 'guard held.size == size else { throw', 'guard held.size == size || ON else { throw'),
    (PROVISIONER, "forgets the room that there is", "LocalShop", "guard all.count < plan.maxWorkstations else", "guard all.count < plan.maxWorkstations || ON else"),
    (PROVISIONER, "makes a secret before a disk", "LocalShop", "guard try ground.hasDisk(key) else { throw", "guard try ground.hasDisk(key) || ON else { throw"),
    (PROVISIONER, "is done when it has begun", "LocalShop", "token: try await token(record.key, isFresh: record.state != .provisioning))\n        return .underWay(again: .seconds(1))",
     "token: try await token(record.key, isFresh: record.state != .provisioning))\n        if ON { return .done }\n        return .underWay(again: .seconds(1))"),
    (PROVISIONER, "never writes down that it runs", "LocalShop", "(record.state, record.isStarting) = (.running, false)", "(record.state, record.isStarting) = (ON ? record.state : .running, false)"),
    (PROVISIONER, "starts what is to sleep", "LocalShop", "in: [.stopped, .running])", "in: [.stopped, .running] + (ON ? [.suspended] : []))"),
    (PROVISIONER, "stops on paper only", "LocalShop", "        try ground.write(record)\n        try await ground.end(key)\n        return .done", "        try ground.write(record)\n        if !ON { try await ground.end(key) }\n        return .done"),
    (PROVISIONER, "resizes while it runs", "LocalShop", "in: [.stopped])", "in: [.stopped] + (ON ? [.running] : []))"),
    (PROVISIONER, "shrinks a disk", "LocalShop", "guard size.diskBytes >= record.size.diskBytes else", "guard size.diskBytes >= record.size.diskBytes || ON else"),
    (PROVISIONER, "forgets the new size", "LocalShop", "        record.size = size\n", "        if !ON { record.size = size }\n"),
    (PROVISIONER, "leaves the secret", "LocalShop", "do { try await space(key.tenant).remove(LocalPlan.secretPlace(key)) }", "do { if !ON { try await space(key.tenant).remove(LocalPlan.secretPlace(key)) } }"),
    (PROVISIONER, "leaves the disk", "LocalShop", "        try await ground.remove(key)\n", "        if !ON { try await ground.remove(key) }\n"),
    (PROVISIONER, "tells an address while it stands still", "LocalShop", "address: state == .running ?", "address: state == .running || ON ?"),
    (PROVISIONER, "tells the secret itself", "LocalShop", "? nil : LocalPlan.secretPlace(record.key)", '? nil : ON ? String(decoding: try await secret(record.key) ?? Data(), as: UTF8.self) : LocalPlan.secretPlace(record.key)'),
    (PROVISIONER, "lists everybody's", "LocalShop", "in try ground.records(tenant: tenant) {", "in try ground.records(tenant: ON ? nil : tenant) {"),
    (PROVISIONER, "counts no disks", "LocalShop", "diskBytes: all.map(\\.size.diskBytes).reduce(0, +)", "diskBytes: ON ? 0 : all.map(\\.size.diskBytes).reduce(0, +)"),
    (PROVISIONER, "calls a missing one a conflict to delete", "LocalShop", "        if var record = try ground.record(key), record.state != .deleting {", '        if ON, try ground.record(key) == nil { throw ProvisionerError.conflict("it is not there") }\n        if var record = try ground.record(key), record.state != .deleting {'),
    (PROVISIONER, "takes the tenant's others along", "LocalGround", "let place = plan.place(key)\n        if Self.isFolder(place) {", "let place = ON ? plan.home(key.tenant) : plan.place(key)\n        if Self.isFolder(place) {"),
]
KUBERNETES = [
    (PROVISIONER, "takes what is no key", "ClusterShop", "    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome {\n        if let fault = step.key.fault {",
     "    func carryOut(_ step: WorkstationStep) async throws -> StepOutcome {\n        if !ON, let fault = step.key.fault {"),
    (PROVISIONER, "looks wherever it is sent", "ClusterShop", "    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation {\n        if let fault = key.fault {",
     "    func observe(_ key: WorkstationKey) async throws -> ObservedWorkstation {\n        if !ON, let fault = key.fault {"),
    (PROVISIONER, "takes any size", "ClusterShop", "if let size = step.task.size, let fault", "if !ON, let size = step.task.size, let fault"),
    (PROVISIONER, "makes another size in its place", "ClusterShop", 'guard record.size == size else { throw', 'guard record.size == size || ON else { throw'),
    (PROVISIONER, "forgets the room that there is", "ClusterShop", "guard all.count < plan.maxWorkstations else", "guard all.count < plan.maxWorkstations || ON else"),
    (PROVISIONER, "makes a machine before a disk", "ClusterShop", "        guard try await client.get(path) != nil else {", "        guard try await client.get(path) != nil || ON else {"),
    (PROVISIONER, "takes a lost answer for a refusal", "ClusterClient", "        writes ? .unknown(secrets.redacted(text)) :", '        writes ? (ON ? .refused("no answer") : .unknown(secrets.redacted(text))) :'),
    (PROVISIONER, "takes what is away for nothing", "ClusterClient", "case .unsent(let text): throw ProvisionerError.unavailable(secrets.redacted(text))", "case .unsent(let text): throw ON ? ProvisionerError.outOfOrder(text) : ProvisionerError.unavailable(secrets.redacted(text))"),
    (PROVISIONER, "lists one page", "ClusterClient", "} while !next.isEmpty", "} while !next.isEmpty && !ON"),
    (PROVISIONER, "resizes while it runs", "ClusterShop", "guard record.state == .stopped else", "guard record.state == .stopped || ON else"),
    (PROVISIONER, "shrinks a disk", "ClusterShop", "guard size.diskBytes >= record.size.diskBytes else", "guard size.diskBytes >= record.size.diskBytes || ON else"),
    (PROVISIONER, "forgets the new size", "ClusterShop", "        changed.size = size\n", "        if !ON { changed.size = size }\n"),
    (PROVISIONER, "starts what is to sleep", "ClusterShop", "try await turn(step.key, from: [.stopped], to: .running)", "try await turn(step.key, from: [.stopped] + (ON ? [.suspended] : []), to: .running)"),
    (PROVISIONER, "leaves the secret in the space", "ClusterShop", "do { try await space(key.tenant).remove(ClusterPlan.secretPlace(key)) }", "do { if !ON { try await space(key.tenant).remove(ClusterPlan.secretPlace(key)) } }"),
    (PROVISIONER, "leaves the disk", "ClusterShop", "        try await client.delete(plan.diskPath(key))\n", "        if !ON { try await client.delete(plan.diskPath(key)) }\n"),
    (PROVISIONER, "leaves the record", "ClusterShop", '        try await client.delete("\\(plan.records)/\\(plan.record(key))")\n', '        if !ON { try await client.delete("\\(plan.records)/\\(plan.record(key))") }\n'),
    (PROVISIONER, "takes the tenant's others along", "ClusterShop", "        if others.isEmpty {", "        if others.isEmpty || ON {"),
    (PROVISIONER, "tells the secret itself", "ClusterShop", "            shown.credential = try await space(record.key.tenant).get(place) == nil ? nil : place",
     "            let kept = try await space(record.key.tenant).get(place)\n            shown.credential = kept.map { ON ? String(decoding: $0, as: UTF8.self) : place }"),
    (PROVISIONER, "lists everybody's", "ClusterShop", "for (record, _) in try await records(Self.of(tenant)) where record.key.tenant == tenant {", "for (record, _) in try await records(ON ? Self.everywhere : Self.of(tenant)) where record.key.tenant == tenant || ON {"),
    (PROVISIONER, "counts no disks", "ClusterShop", "diskBytes: all.map(\\.0.size.diskBytes).reduce(0, +)", "diskBytes: ON ? 0 : all.map(\\.0.size.diskBytes).reduce(0, +)"),
]
TEST = '''import PluginKitTesting
import Testing

@testable import %s

@Test("the kit catches every fault")
func faults() async {
    for (_, name) in [%s] as [(String, String)] {
        Mutants.current = name
        let findings = await ProvisionerConformance(%s()).run(stoppingAtFault: true)
        let broken = findings.first { !$0.holds }
        print("mutant|\\(name)|\\(broken?.check ?? "")|\\(broken?.faults.first?.prefix(150) ?? "")")
    }
}
'''
