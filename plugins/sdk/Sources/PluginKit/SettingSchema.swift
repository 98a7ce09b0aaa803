import Foundation

extension PluginManifest {
    /// One setting of a plugin: type, bounds, default. Operators give it in the file under `plugins.{id}.{name}` or in the environment.
    public struct SettingSchema: Sendable, Hashable, Codable {
        public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
            case text
            case integer
            case flag
            /// `https://…`, or `http://…` where the operator means it; no credentials, query or fragment.
            case url
            // since 1.2
            /// `mail.example.com:587`
            case address
            // end of 1.2
        }
        /// Lower-case letters, digits and underscores.
        public var name: String
        public var type: Kind
        public var summary: String
        public var `default`: JSONValue?
        /// Smallest and largest whole number, or shortest and longest text in bytes.
        public var min: Int?
        public var max: Int?
        /// The only texts accepted.
        public var choices: [String]
        public var isRequired: Bool
        /// A name of its own in the environment, beside `CODITECT_PLUGINS_{ID}_{NAME}`.
        public var environment: String?
        /// For a `url` or an `address`: the host in it may be reached, because the operator wrote it.
        public var opensHost: Bool
        // since 1.2
        /// For a `text`: the path of a file that may be read, also by a plugin in a child process, because the operator wrote it.
        public var opensFile: Bool = false
        // end of 1.2
    }

    /// The settings in force out of what was given, or every sentence about what is wrong with it.
    public func settings(from given: [String: JSONValue]) -> Result<PluginSettings, Fault> {
        var faults: [String] = []
        var values: [String: JSONValue] = [:]
        for name in given.keys.sorted() where !settings.contains(where: { $0.name == name }) {
            if let secret = secrets.first(where: { $0.name == name.uppercased() || $0.name.hasSuffix("_" + name.uppercased()) }) {
                faults.append(
                    "The setting \(name) is a secret, and settings are no place for one: remove it, change it at the provider if others could read it, "
                        + "and set the variable \(secret.name), or \(secret.name)_FILE with the path of a file.")
                continue
            }
            faults.append("The setting \(name) is unknown; this plugin has \(settings.map(\.name).joined(separator: ", ")).")
        }
        for schema in settings {
            guard let value = given[schema.name].flatMap(\.unlessNull) ?? schema.default else {
                if schema.isRequired { faults.append("The setting \(schema.name) is missing.") }
                continue
            }
            if let fault = schema.fault(in: value) {
                faults.append("The setting \(schema.name) \(fault).")
            } else {
                values[schema.name] = value
            }
        }
        return faults.isEmpty ? .success(PluginSettings(values)) : .failure(Fault(sentences: faults))
    }
}

extension PluginManifest.SettingSchema {
    init?(_ reader: inout ManifestReader) {
        guard reader.isObject else { return nil }
        let name = reader.text("name", 1...40, Rule.settingName)
        let typeText = reader.text("type", 1...20)
        let kind = typeText.flatMap { Kind(rawValue: $0) }
        if let typeText, kind == nil {
            reader.fault("type \(typeText) is not one of \(Kind.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        let summary = reader.text("summary", 1...300)
        let fallback = reader.value("default")
        let min = reader.value("min")
        let max = reader.value("max")
        for (bound, value) in [("min", min), ("max", max)] where value != nil && value?.int == nil {
            reader.fault("\(bound) must be a whole number.")
        }
        let choices = reader.texts("choices", max: 32, optional: true)
        let isRequired = reader.optionalFlag("required") ?? false
        let environment = reader.optionalText("environment", 1...64, Rule.environment)
        let opensHost = reader.optionalFlag("opens_host") ?? false
        // since 1.2
        let opensFile = reader.optionalFlag("opens_file") ?? false
        // end of 1.2
        guard let name, let kind, let summary else { return nil }
        self.init(
            name: name, type: kind, summary: summary, default: fallback, min: min?.int.map(Int.init), max: max?.int.map(Int.init),
            choices: choices, isRequired: isRequired, environment: environment, opensHost: opensHost)
        if kind == .integer, self.min == nil || self.max == nil {
            reader.fault("the setting \(name) is a whole number and needs min and max.")
        }
        if kind == .text, choices.isEmpty, self.max == nil { reader.fault("the setting \(name) is a text and needs max or choices.") }
        if let low = self.min, let high = self.max, low > high { reader.fault("min of the setting \(name) is above its max.") }
        if !choices.isEmpty, kind != .text { reader.fault("choices of the setting \(name) are for texts only.") }
        if opensHost, kind != .url, kind.rawValue != "address" {
            reader.fault("opens_host of the setting \(name) is for a url or an address only.")
        }
        // since 1.2
        self.opensFile = opensFile
        if opensFile, kind != .text || fallback != nil || environment != nil {
            reader.fault("opens_file of the setting \(name) is for a text without a default or a name of its own: the operator says it.")
        }
        // end of 1.2
        if fallback != nil, isRequired { reader.fault("the setting \(name) has a default, so it cannot be required.") }
        if let fallback, let fault = fault(in: fallback) { reader.fault("the default of the setting \(name) \(fault).") }
    }

    /// Nil if the value is accepted, else what is wrong with it.
    public func fault(in value: JSONValue) -> String? {
        switch type {
        case .integer:
            guard let number = value.int else { return "must be a whole number" }
            let low = min ?? .min
            let high = max ?? .max
            return (low...high).contains(Int(number)) ? nil : "must lie between \(low) and \(high)"
        case .flag:
            return value.bool == nil ? "must be true or false" : nil
        case .text:
            guard let text = value.string, !text.unicodeScalars.contains(where: { $0.value < 32 }) else { return "must be a text" }
            if !choices.isEmpty { return choices.contains(text) ? nil : "must be one of \(choices.joined(separator: ", "))" }
            let low = min ?? 0
            let high = max ?? 1_000
            return (low...high).contains(text.utf8.count) ? nil : "must have \(low) to \(high) bytes"
        case .url:
            guard let text = value.string, WebOrigin(text) != nil else {
                return "must be an http or https address without credentials, query or fragment"
            }
            return nil
        // since 1.2
        case .address:
            return value.string.flatMap { StreamAddress($0) } == nil ? "must be host:port, like mail.example.com:587" : nil
        // end of 1.2
        }
    }

    /// A text of the environment as a value of this type; nil if it cannot be one.
    public func value(fromText text: String) -> JSONValue? {
        switch type {
        case .text, .url: .string(text)
        // since 1.2
        case .address: .string(text)
        // end of 1.2
        case .integer: Int64(text).map { .int($0) }
        case .flag:
            switch text.lowercased() {
            case "true", "1", "yes", "on": .bool(true)
            case "false", "0", "no", "off": .bool(false)
            default: nil
            }
        }
    }
}

/// Scheme, host and port of an address, strictly read: what two readers could read differently is nil.
public struct WebOrigin: Sendable, Hashable, Codable, CustomStringConvertible {
    public let scheme: String
    /// Lower case; an IPv6 address without its brackets.
    public let host: String
    public let port: Int

    /// From an absolute `http` or `https` address; a path is allowed, a query and a fragment only with `allowingQuery`.
    public init?(_ address: String, allowingQuery: Bool = false) {
        guard address.utf8.count <= 8_192, address.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "\\") }),
            let parts = URLComponents(string: address), let scheme = parts.scheme?.lowercased(), scheme == "https" || scheme == "http",
            address.lowercased().hasPrefix(scheme + "://"), parts.user == nil, parts.password == nil, let written = parts.host,
            !written.isEmpty,
            allowingQuery || (parts.query == nil && parts.fragment == nil)
        else { return nil }
        let authority = address.dropFirst(scheme.utf8.count + 3).prefix { !"/?#".contains($0) }
        guard !authority.contains("@"), !authority.contains("%") else { return nil }
        let port = parts.port ?? (scheme == "https" ? 443 : 80)
        guard (1...65_535).contains(port) else { return nil }
        self.scheme = scheme
        self.host = written.lowercased().trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
        self.port = port
    }

    /// Whether the host is this very machine, by its literal address or `localhost`.
    public var isLoopback: Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
    public var description: String {
        let shown = host.contains(":") ? "[\(host)]" : host
        return port == (scheme == "https" ? 443 : 80) ? "\(scheme)://\(shown)" : "\(scheme)://\(shown):\(port)"
    }
}
