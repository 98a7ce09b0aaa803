import Foundation
import Vocabulary
import Yams

/// Reads `coditect.yaml` and the environment into checked settings: defaults, under the file, under the environment.
package struct SettingsFile: Sendable {
    /// Everything that is wrong, at once.
    package struct Refused: Error, CustomStringConvertible {
        package let findings: [String]
        package var description: String { "settings refused:\n" + findings.map { "  " + $0 }.joined(separator: "\n") }
    }

    private let register: [String: AnySetting]

    package init(register settings: [AnySetting]) {
        self.register = Dictionary(settings.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// What was read: checked settings, and what the file says under `plugins.{id}`, which each plugin's own schema checks.
    package struct Reading: Sendable {
        package let settings: Settings
        package let plugins: [String: [String: JSONValue]]
    }

    /// - Parameter yaml: the text of the file, nil where there is none; `name` is how findings call it.
    package func read(yaml: String?, name: String, environment: [String: String]) throws -> Reading {
        var findings: [String] = []
        var texts: [String: String] = [:]
        var plugins: [String: [String: JSONValue]] = [:]
        if let yaml {
            guard yaml.utf8.count <= 1_048_576 else { throw Refused(findings: ["\(name): larger than 1 MiB"]) }
            do {
                if let tree = try Yams.compose(yaml: yaml) {
                    flatten(tree, path: [], name: name, into: &texts, &findings)
                    for (id, settings) in tree.mapping?["plugins"]?.mapping ?? [:] {
                        guard let id = id.scalar?.string else { continue }
                        let read = Self.json(settings)
                        if let settings = read.object {
                            plugins[id] = settings
                        } else if !read.isNull {
                            // The platform's own settings of plugins stand beside the plugins' ids, which are no names of settings.
                            flatten(settings, path: ["plugins", id], name: name, into: &texts, &findings)
                        }
                    }
                }
            } catch let error as YamlError {
                throw Refused(findings: ["\(name): \(error)"])
            }
        }
        for setting in register.values {
            for variable in [setting.environment, setting.environmentName].compactMap({ $0 }) {
                guard let text = environment[variable], !text.isEmpty else { continue }
                if let wrong = setting.check(text) {
                    findings.append("\(variable) \(wrong)" + (setting.isSecret ? "" : ": \(text.prefix(80))"))
                } else {
                    texts[setting.path] = text
                }
            }
        }
        guard findings.isEmpty else { throw Refused(findings: findings.sorted()) }
        return Reading(settings: Settings(texts), plugins: plugins)
    }

    private static func json(_ node: Node) -> JSONValue {
        switch node {
        case .scalar(let scalar):
            if scalar.style == .plain {
                if let number = Int64(scalar.string) { return .int(number) }
                if let flag = node.bool { return .bool(flag) }
                if scalar.string.isEmpty || scalar.string == "null" || scalar.string == "~" { return .null }
            }
            return .string(scalar.string)
        case .sequence(let items): return .array(items.map(json))
        case .mapping(let members):
            var object: [String: JSONValue] = [:]
            for (key, value) in members { if let name = key.scalar?.string { object[name] = json(value) } }
            return .object(object)
        case .alias: return .null
        }
    }

    private func flatten(_ node: Node, path: [String], name: String, into texts: inout [String: String], _ findings: inout [String]) {
        let place = "\(name):\(node.mark?.line ?? 0)"
        let dotted = path.joined(separator: ".")
        if let setting = register[dotted] {
            let text: String
            switch node {
            case .scalar(let scalar): text = scalar.string
            case .sequence(let items): text = items.compactMap { $0.scalar?.string }.joined(separator: ",")
            default:
                findings.append("\(place): \(dotted) must be \(setting.type)")
                return
            }
            if let wrong = setting.check(text) {
                findings.append("\(place): \(dotted) \(wrong)")
            } else {
                texts[dotted] = text
            }
            return
        }
        guard case .mapping(let mapping) = node, path.count < 6 else {
            findings.append("\(place): unknown setting \(dotted)\(suggestion(dotted))")
            return
        }
        for (key, value) in mapping {
            guard let word = key.scalar?.string, !(path.isEmpty && word == "plugins") else { continue }
            flatten(value, path: path + [word], name: name, into: &texts, &findings)
        }
    }

    /// The nearest known path, where one is near enough to be what was meant.
    private func suggestion(_ path: String) -> String {
        let nearest = register.keys.map { ($0, Self.distance($0, path)) }.min { ($0.1, $0.0) < ($1.1, $1.0) }
        guard let (known, distance) = nearest, distance <= max(2, path.count / 4) else { return "" }
        return "; did you mean \(known)?"
    }

    /// Levenshtein's edit distance.
    static func distance(_ left: String, _ right: String) -> Int {
        let a = Array(left.utf8)
        let b = Array(right.utf8)
        var row = Array(0...b.count)
        for i in 0..<a.count {
            var diagonal = row[0]
            row[0] = i + 1
            for j in 0..<b.count {
                let above = row[j + 1]
                row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
                diagonal = above
            }
        }
        return row[b.count]
    }
}
