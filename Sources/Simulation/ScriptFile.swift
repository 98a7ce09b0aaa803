import Foundation
import Vocabulary
import Yams

/// Reads a script: YAML, every field known, every moment a moment, all of it bounded.
package struct ScriptFile {
    static let mostDays = 3_660
    static let mostTenants = 200
    static let mostSteps = 2_000
    static let mostBytes = 1_048_576

    private let nodes: ScriptNodes
    private let startIsGiven: Bool
    private var script = Script()

    /// - Parameter start: when the script begins, where that is not its own to say.
    package static func read(_ text: String, name: String, start: Timestamp? = nil) throws -> Script {
        guard text.utf8.count <= mostBytes else { throw ScriptRefused(findings: ["\(name): larger than \(mostBytes) bytes"]) }
        var file = ScriptFile(nodes: ScriptNodes(file: name), start: start)
        do {
            guard let root = try Yams.compose(yaml: text) else { throw ScriptRefused(findings: ["\(name): there is nothing in it"]) }
            file.read(root)
        } catch let error as YamlError {
            throw ScriptRefused(findings: ["\(name): \(error)"])
        }
        guard file.nodes.findings.isEmpty else { throw ScriptRefused(findings: file.nodes.findings) }
        return file.script
    }

    private init(nodes: ScriptNodes, start: Timestamp?) {
        self.nodes = nodes
        startIsGiven = start != nil
        if let start { script.start = start }
    }

    private mutating func read(_ root: Node) {
        let known = ["simulation", "seed", "start", "days", "settings", "provider", "tenants", "crashes", "expect"]
        guard let members = nodes.members(root, "the script", known: known) else { return }
        guard nodes.whole(members["simulation"], "simulation", 1...1) == 1 else {
            if members["simulation"] == nil { nodes.refuse(root, "it must say 'simulation: 1', the version of its form") }
            return
        }
        if let seed = nodes.whole(members["seed"], "seed", 0...Int.max) { script.seed = UInt64(seed) }
        if let start = members["start"] {
            let earliest = Timestamp(seconds: 1_577_836_800)
            let latest = Timestamp(seconds: 4_102_444_800)
            let text = start.scalar?.string ?? ""
            if startIsGiven {
                nodes.refuse(start, "a look ahead begins now: say days from it")
            } else if let moment = Timestamp(iso8601: text) ?? Timestamp(iso8601: text + "T00:00:00Z"), earliest <= moment, moment <= latest
            {
                script.start = moment
            } else {
                nodes.refuse(start, "start must be a date between 2020 and 2100, like 2027-01-01 or 2027-01-01T09:00:00Z")
            }
        }
        if let days = nodes.whole(members["days"], "days", 1...Self.mostDays) { script.days = days }
        if let settings = members["settings"] {
            do { script.settings = try Yams.serialize(node: settings) } catch { nodes.refuse(settings, "settings: \(error)") }
        }
        if let provider = members["provider"] { read(provider: provider) }
        var (names, owners): (Set<String>, Set<String>) = ([], [])
        var steps = 0
        for node in nodes.items(members["tenants"], "tenants", most: Self.mostTenants) {
            guard let life = life(node) else { continue }
            if !names.insert(life.name).inserted { nodes.refuse(node, "two tenants are called \(life.name)") }
            if !owners.insert(life.owner).inserted { nodes.refuse(node, "two tenants have the owner \(life.owner)") }
            steps += life.steps.count
            script.lives.append(life)
        }
        if steps > Self.mostSteps { nodes.refuse(root, "there are \(steps) steps; at most \(Self.mostSteps) are taken") }
        if script.lives.isEmpty, nodes.findings.isEmpty { nodes.refuse(root, "it needs tenants, each with a life") }
        for node in nodes.items(members["crashes"], "crashes", most: 1_000) { crash(node) }
        for node in nodes.items(members["expect"], "expect", most: 10_000) { expectation(node, names) }
    }

    private mutating func read(provider node: Node) {
        let known = ["webhooks", "delay_hours", "retry_days", "ends_unpaid", "outages"]
        guard let members = nodes.members(node, "provider", known: known) else { return }
        if let manner: ProviderManner.Webhooks = nodes.choice(members["webhooks"], "webhooks") { script.manner.webhooks = manner }
        if let hours = nodes.whole(members["delay_hours"], "delay_hours", 1...72) { script.manner.delay = .hours(Int64(hours)) }
        if let ends = nodes.flag(members["ends_unpaid"], "ends_unpaid") { script.manner.endsUnpaid = ends }
        if let days = members["retry_days"] {
            script.manner.retryDays = nodes.items(days, "retry_days", most: 20).compactMap {
                nodes.whole($0, "a day of retry_days", 1...60)
            }
            if script.manner.retryDays != script.manner.retryDays.sorted() { nodes.refuse(days, "retry_days must rise") }
        }
        for node in nodes.items(members["outages"], "outages", most: 100) {
            guard let members = nodes.members(node, "an outage", known: ["from", "to", "loses_webhooks"]),
                let from = nodes.moment(members["from"], "from", from: script.start),
                let to = nodes.moment(members["to"], "to", from: script.start)
            else { continue }
            guard from < to else {
                nodes.refuse(node, "an outage must end after it began")
                continue
            }
            let loses = nodes.flag(members["loses_webhooks"], "loses_webhooks") ?? false
            script.manner.outages.append(ProviderManner.Outage(from: from, to: to, losesWebhooks: loses))
        }
    }

    private func life(_ node: Node) -> Script.Life? {
        guard let members = nodes.members(node, "a tenant", known: ["name", "owner", "life"]) else { return nil }
        guard let name = nodes.text(members["name"], "name", most: 40), name.utf8.allSatisfy(Self.isNameByte) else {
            nodes.refuse(node, "a tenant needs a name of small letters, digits and -")
            return nil
        }
        let owner = nodes.text(members["owner"], "owner", most: 254) ?? "owner@\(name).example"
        var last = script.start
        let steps = nodes.items(members["life"], "life", most: Self.mostSteps).compactMap { step -> Script.Step? in
            guard let read = ScriptSteps(nodes: nodes, start: script.start).step(step) else { return nil }
            if read.at < last { nodes.refuse(step, "a life is written in the order of its time") }
            last = max(last, read.at)
            return read
        }
        return Script.Life(name: name, owner: owner, steps: steps)
    }
    private static func isNameByte(_ byte: UInt8) -> Bool { (97...122).contains(byte) || (48...57).contains(byte) || byte == 45 }

    private mutating func crash(_ node: Node) {
        guard let members = nodes.members(node, "a crash", known: ["at", "during", "down_minutes"]),
            let at = nodes.moment(members["at"], "at", from: script.start)
        else { return }
        let point: BreakPoint? = nodes.choice(members["during"], "during")
        let minutes = nodes.whole(members["down_minutes"], "down_minutes", 0...100_000) ?? 1
        script.crashes.append(Script.Crash(at: at, point: point, down: .minutes(Int64(minutes))))
    }

    private mutating func expectation(_ node: Node, _ names: Set<String>) {
        guard let members = nodes.members(node, "an expectation", known: ["at", "tenant", "access", "state", "tier"]),
            let at = nodes.moment(members["at"], "at", from: script.start)
        else { return }
        let tenant = nodes.text(members["tenant"], "tenant") ?? (names.count == 1 ? names.first : nil)
        guard let tenant, names.contains(tenant) else { return nodes.refuse(node, "an expectation names one of the tenants") }
        let access = nodes.flag(members["access"], "access")
        let (state, tier) = (nodes.text(members["state"], "state"), nodes.text(members["tier"], "tier"))
        if access == nil, state == nil, tier == nil { nodes.refuse(node, "an expectation says access, state or tier") }
        if at > script.end { nodes.refuse(node, "it lies after the end of the simulation") }
        script.expectations.append(
            Script.Expectation(at: at, tenant: tenant, access: access, state: state, tier: tier, line: nodes.line(node)))
    }
}

/// The steps of a life.
struct ScriptSteps {
    let nodes: ScriptNodes
    let start: Timestamp

    private static let fields: [String: [String]] = [
        "sign_up": [], "subscribe": ["tier", "interval", "quantity"], "card_declines": ["reason"], "card_works": [], "pay_open": [],
        "change": ["tier", "interval", "quantity"], "cancel": ["when"], "resume": [], "pause": ["days"],
        "leave": ["when", "reason"], "come_back": [], "proof": ["state"], "back_up": [], "invite": ["email", "role", "ends_after_days"],
        "remove": ["email"], "erase": ["email"], "take_seat": ["email", "device"], "release_seat": ["device"], "refund": [], "dispute": [],
        "call": ["method", "path", "body", "email", "status"],
    ]

    func step(_ node: Node) -> Script.Step? {
        guard let deed = nodes.text(node.mapping?["do"], "do"), let own = Self.fields[deed] else {
            nodes.refuse(node, "a step says what to do: \(Self.fields.keys.sorted().joined(separator: ", "))")
            return nil
        }
        guard let members = nodes.members(node, "the step \(deed)", known: ["at", "do"] + own),
            let at = nodes.moment(members["at"], "at", from: start), let read = self.deed(deed, members, node)
        else { return nil }
        return Script.Step(at: at, read, line: nodes.line(node))
    }

    private func deed(_ name: String, _ members: [String: Node], _ node: Node) -> Script.Deed? {
        func needed(_ field: String, most: Int = 254) -> String? {
            let value = nodes.text(members[field], field, most: most)
            if members[field] == nil { nodes.refuse(node, "\(name) needs \(field)") }
            return value
        }
        let interval: BillingInterval? = nodes.choice(members["interval"], "interval")
        let quantity = nodes.whole(members["quantity"], "quantity", 1...10_000)
        switch name {
        case "sign_up": return .signUp
        case "subscribe": return needed("tier").map { .subscribe(tier: $0, interval: interval ?? .month, quantity: quantity ?? 1) }
        case "card_declines":
            let reason: DeclineReason? = nodes.choice(members["reason"], "reason")
            return .cardDeclines(reason ?? .insufficientFunds)
        case "card_works": return .cardWorks
        case "pay_open": return .payOpen
        case "change":
            let tier = nodes.text(members["tier"], "tier")
            if tier == nil, interval == nil, quantity == nil { nodes.refuse(node, "change says tier, interval or quantity") }
            return .change(tier: tier, interval: interval, quantity: quantity)
        case "cancel":
            let when: SubscriptionCancellation.When? = nodes.choice(members["when"], "when")
            return .cancel(when ?? .periodEnd)
        case "resume": return .resume
        case "pause": return .pause(days: nodes.whole(members["days"], "days", 1...365))
        case "leave":
            let when: SubscriptionCancellation.When? = nodes.choice(members["when"], "when")
            return .leave(isNow: when == .now, reason: nodes.text(members["reason"], "reason") ?? "other")
        case "come_back": return .comeBack
        case "proof": return .proof(state: nodes.text(members["state"], "state"))
        case "back_up": return .backUp
        case "invite":
            let days = nodes.whole(members["ends_after_days"], "ends_after_days", 1...3_650)
            guard let email = needed("email"), let role = needed("role") else { return nil }
            return .invite(email: email, role: role, endsAfterDays: days)
        case "remove": return needed("email").map { .remove(email: $0) }
        case "erase": return needed("email").map { .erase(email: $0) }
        case "take_seat": return .takeSeat(email: nodes.text(members["email"], "email"), device: needed("device") ?? "desk")
        case "release_seat": return needed("device").map { .releaseSeat(device: $0) }
        case "refund": return .refund
        case "dispute": return .dispute
        case "call":
            guard let method = needed("method"), let path = needed("path", most: 2_000) else { return nil }
            guard ["GET", "POST", "PUT", "PATCH", "DELETE"].contains(method), path.hasPrefix("/") else {
                nodes.refuse(node, "call needs a method of HTTP and a path that begins with /")
                return nil
            }
            return .call(
                Script.Request(
                    method: method, path: path, body: members["body"].map { nodes.json($0) },
                    email: nodes.text(members["email"], "email"), status: nodes.whole(members["status"], "status", 200...599)))
        default: return nil
        }
    }
}
