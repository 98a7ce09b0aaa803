import HookEngine

/// The written order of `policies/init.lua`: which policies are asked in which layer, with which settings.
struct InitFile: Sendable {
    struct Entry: Sendable {
        /// `seats/overdraft`
        let policy: String
        let settings: HookValue
        /// Where the entry stands: `platform[2]`.
        let place: String
    }
    var platform: [Entry] = []
    var tiers: [(name: String, entries: [Entry])] = []
    /// Of a tenant's own policies, which name no other layer.
    var tenant: [Entry] = []
    let outline: LuaOutline

    static let path = "init.lua"

    static func read(_ files: [String: String], for author: PolicyAuthor, _ findings: inout Findings) -> InitFile? {
        let layers = author == .tenant ? ["tenant"] : ["platform", "tier"]
        guard let source = files[path] else {
            findings.add(
                path, nil,
                author == .tenant
                    ? "is missing; it returns { tenant = { \"feature/rule\", … } }"
                    : "is missing; it returns { platform = { \"feature/rule\", … }, tier = { … } }")
            return nil
        }
        let outline = LuaOutline(source)
        let table: WireValue
        do {
            let state = try LuaState(.description)
            table = try state.describe(try state.load(source))
        } catch {
            findings.add(path, error, outline, source: source)
            return nil
        }
        guard case .object(let members) = table else {
            findings.add(path, nil, "returns \(table.kindName); accepted is a table with \(layers.joined(separator: ", "))")
            return nil
        }
        var file = InitFile(outline: outline)
        for (name, value) in members {
            guard layers.contains(name) else {
                findings.add(path, outline.line(name), "\(name) is not a layer; accepted are: \(layers.joined(separator: ", "))")
                continue
            }
            switch name {
            case "platform": file.platform = file.entries(value, "platform", &findings)
            case "tenant": file.tenant = file.entries(value, "tenant", &findings)
            default:
                guard case .object(let tiers) = value else {
                    findings.add(
                        path, outline.line("tier"), "tier is \(value.kindName); accepted is a table of tiers, each a list of policies")
                    continue
                }
                for (tier, list) in tiers { file.tiers.append((tier, file.entries(list, "tier.\(tier)", &findings))) }
            }
        }
        return file
    }

    private func entries(_ value: WireValue, _ place: String, _ findings: inout Findings) -> [Entry] {
        if case .object(let members) = value, members.isEmpty { return [] }
        guard case .list(let items) = value else {
            findings.add(
                Self.path, outline.line(place),
                "\(place) is \(value.kindName); accepted is a list of \"feature/rule\" and { \"feature/rule\", settings = { … } }")
            return []
        }
        return items.enumerated().compactMap { index, item in
            let here = "\(place)[\(index + 1)]"
            if let policy = item.string { return Entry(policy: policy, settings: .object([]), place: here) }
            guard case .object(let members) = item, let policy = item["#1"]?.string else {
                // A table with nothing but a name crosses as a list.
                if case .list(let single) = item, single.count == 1, let policy = single[0].string {
                    return Entry(policy: policy, settings: .object([]), place: here)
                }
                findings.add(
                    Self.path, outline.line(here),
                    "\(here) is \(item.kindName); accepted is \"feature/rule\" or { \"feature/rule\", settings = { … } }")
                return nil
            }
            for (name, _) in members where name != "#1" && name != "settings" {
                findings.add(Self.path, outline.line("\(here).\(name)"), "\(name) is not a field here; accepted is: settings")
            }
            guard let settings = (item["settings"] ?? .object([])).plain else {
                findings.add(Self.path, outline.line("\(here).settings"), "settings holds a function; accepted are plain values")
                return nil
            }
            return Entry(policy: policy, settings: settings, place: here)
        }
    }
}
