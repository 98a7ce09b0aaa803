import HookEngine
import Vocabulary

/// `policies/contracts.lua`: what no set may answer, each as a function of the question and the folded answer.
struct ContractFile: Sendable {
    struct Contract: Sendable {
        let name: String
        let hook: String
        let line: Int
        /// How `ContractJudge` calls it.
        let entry: String
    }
    let source: String
    let contracts: [Contract]
    /// Fields of a hook's input that the contracts read.
    let reads: [String: Set<String>]

    static let path = "contracts.lua"
    private static let fields = ["name", "hook", "holds"]

    /// Nil where there is none, or where it was refused.
    static func read(_ files: [String: String], _ definitions: [HookDefinition], _ findings: inout Findings) -> ContractFile? {
        guard let source = files[path] else { return nil }
        let outline = LuaOutline(source)
        let before = findings.all.count
        let table: WireValue
        do {
            let state = try LuaState(.description)
            table = try state.describe(try state.load(source))
        } catch {
            findings.add(path, error, outline, source: source)
            return nil
        }
        guard case .int(1)? = table["api"], case .list(let items)? = table["contracts"] else {
            findings.add(
                path, nil,
                "must return { api = 1, contracts = { { name = \"…\", hook = \"on_…\", holds = function(request, answer) … end }, … } }")
            return nil
        }
        var contracts: [Contract] = []
        for (index, item) in items.enumerated() {
            let here = "contracts[\(index + 1)]"
            func complain(_ field: String, _ message: String) {
                findings.add(path, outline.line("\(here).\(field)") ?? outline.line(here), message)
            }
            guard case .object(let members) = item else {
                complain("", "\(here) is \(item.kindName); accepted is a table with name, hook, holds")
                continue
            }
            for (name, _) in members where !fields.contains(name) {
                complain(name, "\(name) is not a field of a contract; accepted are: \(fields.joined(separator: ", "))")
            }
            guard let name = item["name"]?.string, !name.isEmpty else {
                complain("name", "name must be a text: the invariant as a sentence")
                continue
            }
            guard let hook = item["hook"]?.string, definitions.contains(where: { $0.name == hook }) else {
                complain("hook", "hook must be one of: \(definitions.map(\.name).sorted().joined(separator: ", "))")
                continue
            }
            guard case .function(let line)? = item["holds"] else {
                complain("holds", "holds must be a function(request, answer) that returns true or false")
                continue
            }
            contracts.append(Contract(name: name, hook: hook, line: line, entry: "contract_\(index + 1)"))
        }
        guard findings.all.count == before, let tree = try? LuaParser.parse(source) else { return nil }
        let reads = PolicyReads(tree, definitions: definitions, settings: [], data: [], actions: [])
        for finding in reads.unknown { findings.add(path, finding.line, finding.message) }
        guard reads.unknown.isEmpty else { return nil }
        return ContractFile(source: source, contracts: contracts, reads: reads.fields.mapValues { Set($0.map(\.path)) })
    }

    /// The same text as a policy whose entries are the contracts; lines stay where they are.
    var callable: String {
        "local _contracts = (function() \(source)\nend)() local _entries = {} "
            + "for index, contract in ipairs(_contracts.contracts) do _entries[\"contract_\" .. index] = function(question) "
            + "return contract.holds(question.request, question.answer) end end return _entries"
    }
}

/// Asks a set everything that its texts make a difference for, and its contracts about each answer.
struct ContractJudge {
    let set: PolicySet
    let policies: [PolicyFile]
    let contracts: ContractFile
    let actions: [String]

    /// Questions of one hook and tier: all of them where they are few, else as many chosen by a fixed seed.
    static let mostQuestions = 20_000
    static let mostFindings = 20

    /// `isKept` says of a hook and a tier that they need not be asked.
    func judge(_ definitions: [HookDefinition], _ findings: inout Findings, isKept: (HookPlan, String?) -> Bool) {
        var broken: Set<String> = []
        do throws(LuaFault) {
            var limits = LuaLimits.decision
            limits.fuel = 1_000_000
            let jury = try LuaState(limits)
            let unit = try jury.load(contracts.callable)
            try jury.bind(unit, settings: .object([]), data: .object([]))
            var warm: LuaState?
            for plan in set.hooks.values.sorted(by: { $0.definition.name < $1.definition.name }) {
                let mine = contracts.contracts.filter { $0.hook == plan.definition.name }
                if mine.isEmpty { continue }
                for tier in [nil] + plan.tiers.keys.sorted().map(Optional.some) where !isKept(plan, tier) {
                    var state: LuaState
                    if let warm { state = warm } else { state = try set.recipe.make() }
                    defer { warm = state }
                    for input in inputs(plan, tier, definitions) {
                        let (evaluation, isAlive) = set.evaluate(plan, input, tier: tier, seed: 1, on: state)
                        if !isAlive { state = try set.recipe.make() }
                        let (ruling, decidedBy) = evaluation.ruling(plan.definition)
                        if case .failed = ruling.outcome { continue }
                        for contract in mine where !broken.contains(contract.name) {
                            guard let complaint = ask(contract, jury, unit, input, ruling) else { continue }
                            broken.insert(contract.name)
                            let by = decidedBy.map { " by \(evaluation.answers[$0].place)" } ?? ""
                            findings.add(
                                ContractFile.path, contract.line,
                                "\"\(contract.name)\" \(complaint): \(contract.hook)\(tier.map { " in \($0)" } ?? "") with "
                                    + "\(input.withoutNow) answers \(ruling)\(by)")
                            if broken.count >= Self.mostFindings { return }
                        }
                    }
                }
            }
        } catch {
            findings.add(ContractFile.path, error)
        }
    }

    /// Nil where it holds.
    private func ask(
        _ contract: ContractFile.Contract, _ jury: LuaState, _ unit: UInt32, _ input: HookValue, _ ruling: PolicyRuling
    ) -> String? {
        jury.input.bytes.removeAll()
        jury.input.value(.object([("request", input.withoutNulls), ("answer", ruling.shownToContracts)]))
        do {
            switch try jury.ask(unit, contract.entry, seed: 1) {
            case .bool(true): return nil
            case .bool(false): return "is broken"
            case let other: return "answers \(other.plain?.shown ?? other.kindName) instead of true or false"
            }
        } catch {
            return "cannot be judged, line \(error.line): \(error.text)"
        }
    }

    private func inputs(_ plan: HookPlan, _ tier: String?, _ definitions: [HookDefinition]) -> [HookValue] {
        let placements = plan.placements(tier: tier).map { set.recipe.placements[$0] }
        var read = contracts.reads[plan.definition.name] ?? []
        var literals = PolicyLiterals.of(placements)
        for placement in placements {
            guard let tree = try? LuaParser.parse(placement.policy.source) else { continue }
            let reads = PolicyReads(
                tree, definitions: definitions, settings: placement.policy.settings.map(\.field), data: placement.policy.data,
                actions: actions)
            read.formUnion(reads.fields[plan.definition.name]?.map(\.path) ?? [])
        }
        if let tree = try? LuaParser.parse(contracts.source) { literals.visit(block: tree.body) }
        return PolicyInputs.all(plan.definition.wholeInput, read: read, literals: literals, most: Self.mostQuestions)
    }
}

extension PolicyRuling {
    /// As contracts are given it.
    fileprivate var shownToContracts: HookValue {
        var terms: [(String, HookValue)] = []
        var actions: [PlannedAction] = []
        var reason: HookValue = .null
        var name = kind
        switch outcome {
        case .allow(let given): terms = given.map { ($0.name, $0.value) }
        case .deny(let why, _): reason = .string(why)
        case .plan(let planned): actions = planned
        case .shippedPlan: name = "shipped_plan"
        case .failed: break
        }
        var does: [(String, HookValue)] = []
        for action in actions where !does.contains(where: { $0.0 == action.name }) { does.append((action.name, action.fields)) }
        return .object([
            ("outcome", .string(name)), ("reason", reason), ("terms", .object(terms)),
            ("actions", .list(actions.map { .object([("name", .string($0.name)), ("fields", $0.fields)]) })), ("does", .object(does)),
        ])
    }
}

extension HookValue {
    fileprivate var withoutNulls: HookValue {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { $0.1.isThere }.map { ($0.0, $0.1.withoutNulls) })
    }
    private var isThere: Bool { if case .null = self { false } else { true } }
}
