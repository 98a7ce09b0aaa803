import Foundation
import HookEngine

/// From the files of a directory to a live set: compile, check, run the policies' own tests. All faults are gathered; one refuses all.
struct PolicySetBuilder: Sendable {
    let definitions: [HookDefinition]
    let dataFiles: [DataFile]
    let limits: LuaLimits
    let states: Int
    var author = PolicyAuthor.operator
    /// What need not be tried again; nil tries everything, as authors want it.
    var verdicts: PolicyVerdicts?

    struct Built: Sendable {
        let set: PolicySet
        /// Those that had to be run.
        let tests: [PolicyTestResult]
        let files: [String: String]
    }

    /// Throws every finding, failing tests among them.
    func build(_ directory: URL) throws(PolicyRefusal) -> Built {
        var findings = Findings(label: directory.lastPathComponent)
        let files = PolicyDirectory.read(directory, &findings)
        return try build(files, findings)
    }

    func build(_ directory: PolicyDirectory, _ before: Findings? = nil) throws(PolicyRefusal) -> Built {
        let (set, tests, findings, files) = examine(directory, before ?? Findings(label: directory.label))
        var all = Findings(label: directory.label)
        for result in tests where !result.passed { all.add(result.path, result.line, result.message) }
        guard let set, findings.isEmpty, all.all.isEmpty else { throw PolicyRefusal(findings: findings + all.all) }
        return Built(set: set, tests: tests, files: files)
    }

    /// The same without going live; a failing test is a result, not a finding.
    func examine(_ directory: URL) -> (
        set: PolicySet?, tests: [PolicyTestResult], findings: [PolicyFinding], files: [String: String]
    ) {
        var findings = Findings(label: directory.lastPathComponent)
        let files = PolicyDirectory.read(directory, &findings)
        return examine(files, findings)
    }

    private func examine(_ directory: PolicyDirectory, _ before: Findings) -> (
        set: PolicySet?, tests: [PolicyTestResult], findings: [PolicyFinding], files: [String: String]
    ) {
        var findings = before
        guard let assembled = assemble(directory, &findings) else {
            return (nil, [], findings.all, [:])
        }
        let tests = test(assembled, &findings)
        // Contracts are the operator's, over what the operator's policies allow; a tenant's can only narrow that.
        if findings.all.isEmpty, author == .operator { keepContracts(assembled, &findings) }
        return (assembled.set, tests, findings.all, assembled.directory.files)
    }

    private func keepContracts(_ assembled: Assembled, _ findings: inout Findings) {
        guard let contracts = ContractFile.read(assembled.directory.files, definitions, &findings), !contracts.contracts.isEmpty else {
            return
        }
        let judge = ContractJudge(set: assembled.set, policies: Array(assembled.policies.values), contracts: contracts, actions: actions)
        let fundament = verdicts.map(fundament)
        var kept: [PolicyVerdicts.Key] = []
        judge.judge(definitions, &findings) { plan, tier in
            guard let fundament, let verdicts else { return false }
            let key = contractKey(fundament, contracts, plan, tier, assembled.set)
            if verdicts.contains(key) { return true }
            kept.append(key)
            return false
        }
        if findings.all.isEmpty { verdicts?.add(kept) }
    }

    // MARK: What a verdict depends on

    /// The program, the library, the budgets and every hook as it is declared.
    private func fundament(_ verdicts: PolicyVerdicts) -> PolicyVerdicts.Key {
        PolicyVerdicts.key { digest in
            digest.add(verdicts.fundament)
            digest.add("\(limits)")
            for definition in definitions { digest.add("\(definition)") }
        }
    }

    private func testKey(_ fundament: PolicyVerdicts.Key, _ policy: PolicyFile, _ tests: String, _ data: [String: HookValue])
        -> PolicyVerdicts.Key
    {
        PolicyVerdicts.key { digest in
            withUnsafeBytes(of: fundament) { digest.update($0) }
            for text in ["tests", policy.path, policy.source, tests] { digest.add(text) }
            for name in policy.data {
                digest.add(name)
                digest.add(data[name] ?? .null)
            }
        }
    }

    private func contractKey(
        _ fundament: PolicyVerdicts.Key, _ contracts: ContractFile, _ plan: HookPlan, _ tier: String?, _ set: PolicySet
    ) -> PolicyVerdicts.Key {
        PolicyVerdicts.key { digest in
            withUnsafeBytes(of: fundament) { digest.update($0) }
            for text in ["contracts", contracts.source, plan.definition.name, tier.map { "tier \($0)" } ?? "no tier"] { digest.add(text) }
            for index in plan.placements(tier: tier) {
                let placement = set.recipe.placements[index]
                for text in [placement.layer.rawValue, placement.policy.path, placement.policy.source] { digest.add(text) }
                digest.add(placement.settings)
                digest.add(placement.data)
            }
        }
    }

    struct Assembled {
        let set: PolicySet
        let directory: PolicyDirectory
        let policies: [String: PolicyFile]
    }

    var actions: [String] {
        var seen: Set<String> = []
        return definitions.flatMap(\.actions).map(\.name).filter { seen.insert($0).inserted }
    }

    /// Nil where anything is wrong.
    func assemble(_ directory: PolicyDirectory, _ findings: inout Findings) -> Assembled? {
        var data: [String: HookValue] = [:]
        for file in dataFiles { data[file.name] = file.read(directory.files, &findings) }
        guard let order = InitFile.read(directory.files, for: author, &findings) else { return nil }
        let reader = PolicyFileReader(definitions: definitions, dataNames: dataFiles.map(\.name), actions: actions)
        var policies: [String: PolicyFile] = [:]
        var refused: Set<String> = []
        var placements: [Placement] = []
        var ids: [String: String] = [:]
        let texts = read(directory, reader)

        /// Index of the new placement.
        func place(_ entry: InitFile.Entry, _ layer: PolicyLayer) -> Int? {
            if policies[entry.policy] == nil, !refused.contains(entry.policy) {
                guard let text = texts[entry.policy] else {
                    // One that is there and cannot be read has been told already.
                    if !directory.refused.contains(PolicyFile.file(entry.policy)) {
                        findings.add(
                            InitFile.path, order.outline.line(entry.place),
                            "there is no policy \(entry.policy); \(Self.available(directory, near: entry.policy))")
                    }
                    return nil
                }
                findings.add(text.findings)
                policies[entry.policy] = text.policy
                if text.policy == nil { refused.insert(entry.policy) }
            }
            guard let policy = policies[entry.policy] else { return nil }
            if let other = ids.updateValue(policy.path, forKey: policy.id), other != policy.path {
                findings.add(
                    policy.file, LuaOutline(policy.source).line("id"),
                    "the id \(policy.id) is taken by \(PolicyFile.file(other)); an id names one policy")
            }
            let settings = policy.effective(entry.settings) { part, message in
                let path = part.isEmpty ? entry.place : "\(entry.place).settings.\(part)"
                findings.add(InitFile.path, order.outline.line(path), message)
            }
            let named = policy.data.compactMap { name in data[name].map { (name, $0) } }
            guard let settings, named.count == policy.data.count else { return nil }
            placements.append(Placement(layer: layer, policy: policy, settings: settings, data: .object(named)))
            return placements.count - 1
        }
        let platform = order.platform.compactMap { place($0, .platform) }
        let tenant = order.tenant.compactMap { place($0, .tenant) }
        var tiers: [String: [Int]] = [:]
        let known = tierNames(data)
        for (name, entries) in order.tiers {
            tiers[name] = entries.compactMap { place($0, .tier) }
            if let known, !known.contains(name) {
                let there = known.sorted().joined(separator: ", ")
                findings.add(InitFile.path, order.outline.line("tier.\(name)"), "there is no tier \(name); there are: \(there)")
            }
        }
        // A folder with a policy that no layer names is not asked; it is still checked, so that it cannot rot.
        for path in Self.paths(directory) where policies[path] == nil && !refused.contains(path) {
            guard let text = texts[path] else { continue }
            findings.add(text.findings)
            policies[path] = text.policy
        }
        guard findings.all.isEmpty else { return nil }
        return Assembled(
            set: set(directory, placements, policies, (platform, tiers, tenant), data), directory: directory, policies: policies)
    }

    private struct Text: Sendable {
        let policy: PolicyFile?
        let findings: [PolicyFinding]
    }

    /// Every policy of the directory, compiled and checked by itself.
    private func read(_ directory: PolicyDirectory, _ reader: PolicyFileReader) -> [String: Text] {
        let paths = Self.paths(directory)
        let texts = PolicyThreads.each(paths.count) { index in
            var findings = Findings(label: directory.label)
            let policy = reader.read(paths[index], directory.files[PolicyFile.file(paths[index])] ?? "", &findings)
            return Text(policy: policy, findings: findings.all)
        }
        return Dictionary(uniqueKeysWithValues: zip(paths, texts))
    }

    /// Nil where no data file names tiers, or the one that does was refused.
    private func tierNames(_ data: [String: HookValue]) -> [String]? {
        for file in dataFiles {
            if let tiers = file.tiers, let value = data[file.name] { return tiers(value) }
        }
        return nil
    }

    private func set(
        _ directory: PolicyDirectory, _ placements: [Placement], _ policies: [String: PolicyFile],
        _ order: (platform: [Int], tiers: [String: [Int]], tenant: [Int]), _ data: [String: HookValue]
    ) -> PolicySet {
        var shapes: [(label: String, names: [String])] = []
        var hooks: [String: HookPlan] = [:]
        for definition in definitions {
            func answering(_ indices: [Int]) -> [Int] { indices.filter { placements[$0].policy.hooks[definition.name] != nil } }
            // Many tenants have a set, and few have much in it.
            if author == .tenant, !policies.values.contains(where: { $0.hooks[definition.name] != nil }) { continue }
            let terms = definition.terms.map(\.asOptional)
            hooks[definition.name] = HookPlan(
                definition: definition, encoder: InputEncoder(definition, &shapes), terms: terms,
                platform: answering(order.platform), tiers: order.tiers.mapValues(answering).filter { !$0.value.isEmpty },
                tenant: answering(order.tenant))
        }
        let recipe = StateRecipe(limits: limits, actions: actions, shapes: shapes, placements: placements)
        return PolicySet(hash: hash(directory, placements), hooks: hooks, data: data, recipe: recipe, states: states)
    }

    /// Over the names and contents of every file, and the settings in force, each with its length before it.
    private func hash(_ directory: PolicyDirectory, _ placements: [Placement]) -> PolicySetHash {
        var digest = SHA256()
        for (path, text) in directory.files.sorted(by: { $0.key < $1.key }) {
            digest.add(path)
            digest.add(text)
        }
        for placement in placements {
            digest.add("\(placement.layer.rawValue)/\(placement.policy.path)")
            digest.add(placement.settings)
        }
        return PolicySetHash(hex: digest.finish())
    }

    private func test(_ assembled: Assembled, _ findings: inout Findings) -> [PolicyTestResult] {
        let runner = PolicyTestRunner(set: assembled.set, actions: actions, limits: limits)
        if author == .tenant { return testInTurn(assembled, runner, &findings) }
        let fundament = verdicts.map(fundament)
        let tested = assembled.policies.values.sorted { $0.path < $1.path }.compactMap { policy in
            assembled.directory.files["\(policy.path)/policy_test.lua"].map { (policy, $0) }
        }
        let label = findings.label
        let runs = PolicyThreads.each(tested.count) {
            index -> (results: [PolicyTestResult], findings: [PolicyFinding], key: PolicyVerdicts.Key?) in
            let (policy, source) = tested[index]
            let key = fundament.map { testKey($0, policy, source, assembled.set.data) }
            if let key, let verdicts, verdicts.contains(key) { return ([], [], nil) }
            var own = Findings(label: label)
            let results = runner.run(policy, path: "\(policy.path)/policy_test.lua", source, &own)
            return (results, own.all, own.all.isEmpty && results.allSatisfy(\.passed) ? key : nil)
        }
        for run in runs { findings.add(run.findings) }
        verdicts?.add(runs.compactMap(\.key))
        return runs.flatMap(\.results)
    }

    /// A tenant's, of which only so many are run.
    private func testInTurn(_ assembled: Assembled, _ runner: PolicyTestRunner, _ findings: inout Findings) -> [PolicyTestResult] {
        var left = TenantBundle.mostTests
        return assembled.policies.values.sorted { $0.path < $1.path }.flatMap { policy -> [PolicyTestResult] in
            let path = "\(policy.path)/policy_test.lua"
            guard let source = assembled.directory.files[path] else { return [] }
            let results = runner.run(policy, path: path, source, most: left, &findings)
            left -= results.count
            return results
        }
    }

    static func paths(_ directory: PolicyDirectory) -> [String] {
        directory.files.keys.filter { $0.hasSuffix("/policy.lua") }.map { String($0.dropLast("/policy.lua".count)) }.sorted()
    }
    private static func available(_ directory: PolicyDirectory, near wanted: String) -> String {
        let paths = paths(directory)
        if let other = directory.files.keys.sorted().first(where: { $0.lowercased().hasPrefix(wanted.lowercased() + "/") }) {
            return "\(other) is there: the file of a policy is \(wanted)/policy.lua"
        }
        let near = PolicyNames.nearest(wanted, paths).map { "did you mean \($0)? " } ?? ""
        return "\(near)there are: \(paths.isEmpty ? "none" : paths.joined(separator: ", "))"
    }
}

extension SHA256 {
    fileprivate mutating func add(_ value: HookValue) {
        var wire = WireWriter()
        wire.value(value)
        update("\(wire.bytes.count):".utf8)
        wire.bytes.withBytes { update($0) }
    }
}
