import Foundation

/// `plugin.json`: what the host must know of a plugin before any of its code runs. Read strictly: an unknown member is a mistake.
public struct PluginManifest: Sendable, Hashable, Codable {
    /// Lower-case letters, digits and hyphens; names the plugin in routes, settings, logs and rows. Never changes.
    public var id: String
    /// For people.
    public var name: String
    /// `1.2.0`
    public var version: String
    public var kinds: [PluginKind]
    /// The kit that it was built with; must agree with the note in the library.
    public var kit: KitVersion
    /// File name of the library, beside `plugin.json`.
    public var library: String
    /// `/webhooks/{id}` for a payment provider, `/webhooks/mail/{id}` for a notification channel that hears of its mails later.
    public var webhook: String?
    /// Whether it shows pages under `/plugins/{id}/`.
    public var pages: Bool
    /// What it may reach: `api.example.com`, `api.example.com:8443`, or `self` for its own webhook.
    public var hosts: [String]
    // since 1.2
    /// What a policy module answers: `on_seat_request`.
    public var hooks: [String]
    /// Whether it keeps bulk data in a folder of its own.
    public var folder: Bool
    // end of 1.2
    public var secrets: [Secret]
    public var settings: [SettingSchema]

    public struct Secret: Sendable, Hashable, Codable {
        /// Name in the environment: `STRIPE_SECRET_KEY`.
        public var name: String
        public var summary: String
        /// Without it the plugin is refused at start.
        public var isRequired: Bool
        /// Comma-separated, old and new while rolling.
        public var isList: Bool
    }

    public struct KitVersion: Sendable, Hashable, Codable, CustomStringConvertible {
        public var major: UInt32
        public var minor: UInt32
        public init(major: UInt32, minor: UInt32) {
            self.major = major
            self.minor = minor
        }
        public var description: String { "\(major).\(minor)" }
    }

    /// Every sentence that says what is wrong with a `plugin.json`.
    public struct Fault: Error, Sendable, Hashable, CustomStringConvertible {
        public var sentences: [String]
        public init(sentences: [String]) { self.sentences = sentences }
        public var description: String { sentences.joined(separator: " ") }
    }

    public static let maxBytes = 65_536
    // since 1.2
    /// In `hosts` of an identity provider: any `https` host that everybody can reach, since tenants name providers of their own; by `streams`
    /// on the ports of directories (389, 636, 3268, 3269).
    public static let publicHosts = "public"
    // end of 1.2

    /// Reads and checks; throws `Fault` with every mistake found.
    public init(json data: Data) throws {
        let document: JSONValue
        do { document = try JSONValue.parse(data, maxBytes: Self.maxBytes) } catch {
            throw Fault(sentences: ["plugin.json cannot be read: \(error)"])
        }
        var reader = ManifestReader(document, place: "plugin.json")
        guard reader.isObject else { throw Fault(sentences: reader.faults) }
        if reader.integer("manifest") != 1 { reader.fault("manifest must be 1, the version of this format.") }
        id = reader.text("id", 1...40, Rule.id) ?? ""
        name = reader.text("name", 1...80) ?? ""
        version = reader.text("version", 5...32, Rule.version) ?? ""
        kinds = reader.texts("kinds", max: 10).map { PluginKind(rawValue: $0) }
        kit = KitVersion(major: 0, minor: 0)
        if let text = reader.text("kit", 3...20, Rule.kit) {
            let parts = text.split(separator: ".").compactMap { UInt32($0) }
            if parts.count == 2 { kit = KitVersion(major: parts[0], minor: parts[1]) }
        }
        library = reader.text("library", 6...100, Rule.library) ?? ""
        webhook = reader.optionalText("webhook", 1...100)
        pages = reader.optionalFlag("pages") ?? false
        hosts = reader.texts("hosts", max: 32, optional: true)
        // since 1.2
        hooks = reader.texts("hooks", max: 32, optional: true)
        folder = reader.optionalFlag("folder") ?? false
        // end of 1.2
        secrets = []
        for var entry in reader.objects("secrets", max: 16) {
            let name = entry.text("name", 1...64, Rule.environment) ?? ""
            secrets.append(
                Secret(
                    name: name, summary: entry.text("summary", 1...300) ?? "", isRequired: entry.optionalFlag("required") ?? true,
                    isList: entry.optionalFlag("list") ?? false))
            entry.finish(into: &reader)
        }
        settings = []
        for var entry in reader.objects("settings", max: 64) {
            if let schema = SettingSchema(&entry) { settings.append(schema) }
            entry.finish(into: &reader)
        }
        reader.finish()
        crossCheck(&reader)
        guard reader.faults.isEmpty else { throw Fault(sentences: reader.faults) }
    }

    private func crossCheck(_ reader: inout ManifestReader) {
        if kinds.isEmpty { reader.fault("kinds is empty: name at least one of \(PluginKind.all.map(\.rawValue).joined(separator: ", ")).") }
        for kind in kinds where !PluginKind.all.contains(kind) {
            reader.fault("kinds names \(kind.rawValue); this kit knows \(PluginKind.all.map(\.rawValue).joined(separator: ", ")).")
        }
        var mayListen = false
        // since 1.2
        mayListen = kinds.contains(.notificationChannel) && webhook == "/webhooks/mail/\(id)"
        // end of 1.2
        if kinds.contains(.paymentProvider) {
            if webhook != "/webhooks/\(id)" { reader.fault("webhook of a payment provider must be /webhooks/\(id).") }
        } else if webhook != nil, !mayListen {
            reader.fault("webhook is for payment providers only, or /webhooks/mail/\(id) for a notification channel.")
        }
        // since 1.2
        if hosts.contains(Self.publicHosts), !kinds.contains(.identityProvider) {
            reader.fault("hosts names \(Self.publicHosts), which is for identity providers only.")
        }
        // end of 1.2
        for host in hosts where host != "self" && !Rule.isHost(host) {
            reader.fault("hosts names \(host.debugDescription), which is not a host name, host:port or self.")
        }
        // since 1.2
        if kinds.contains(.policyModule) == hooks.isEmpty {
            reader.fault(
                hooks.isEmpty ? "hooks is empty: name the hooks that the policy module answers." : "hooks is for policy modules only.")
        }
        for hook in hooks where !hook.hasPrefix("on_") || !Rule.settingName.accepts(hook) || hook.utf8.count > 64 {
            reader.fault("hooks names \(hook.debugDescription); a hook is named like on_seat_request.")
        }
        reader.unique("hooks", hooks)
        // end of 1.2
        reader.unique("kinds", kinds.map(\.rawValue))
        reader.unique("hosts", hosts)
        reader.unique("secrets", secrets.map(\.name))
        reader.unique("settings", settings.map(\.name))
        reader.unique("environment names", secrets.map(\.name) + settings.compactMap(\.environment))
    }
}

/// What the texts of a manifest look like.
enum Rule {
    typealias Check = (rule: String, accepts: @Sendable (String) -> Bool)
    static let lower = Set("abcdefghijklmnopqrstuvwxyz".utf8)
    static let upper = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZ".utf8)
    static let digits = Set("0123456789".utf8)
    static let hyphen = UInt8(ascii: "-")
    static let underscore = UInt8(ascii: "_")

    static let id: Check = (
        "lower-case letters, digits and hyphens, a letter first",
        { text in lower.contains(text.utf8.first ?? 0) && text.utf8.allSatisfy { lower.contains($0) || digits.contains($0) || $0 == hyphen }
        }
    )
    static let settingName: Check = (
        "lower-case letters, digits and underscores, a letter first",
        { text in
            lower.contains(text.utf8.first ?? 0) && text.utf8.allSatisfy { lower.contains($0) || digits.contains($0) || $0 == underscore }
        }
    )
    static let environment: Check = (
        "upper-case letters, digits and underscores, a letter first",
        { text in
            upper.contains(text.utf8.first ?? 0) && text.utf8.allSatisfy { upper.contains($0) || digits.contains($0) || $0 == underscore }
        }
    )
    static let version: Check = ("three numbers like 1.2.0", { numbers($0, count: 3) })
    static let kit: Check = ("two numbers like 1.0", { numbers($0, count: 2) })
    static let library: Check = (
        "a file name like libName.so, without a folder",
        { text in
            text.hasPrefix("lib") && text.hasSuffix(".so")
                && text.utf8.allSatisfy {
                    lower.contains($0) || upper.contains($0) || digits.contains($0) || $0 == hyphen || $0 == underscore
                        || $0 == UInt8(ascii: ".")
                }
        }
    )

    static func numbers(_ text: String, count: Int) -> Bool {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == count
            && parts.allSatisfy { part in
                !part.isEmpty && part.utf8.count <= 6 && part.utf8.allSatisfy { digits.contains($0) }
                    && (part == "0" || part.utf8.first != 48)
            }
    }

    /// A DNS name or an IPv4 address in lower case, with an optional port.
    static func isHost(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), !parts[0].isEmpty, parts[0].utf8.count <= 253 else { return false }
        if parts.count == 2 { guard let port = UInt16(parts[1]), port > 0 else { return false } }
        return parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            !label.isEmpty && label.utf8.count <= 63 && label.utf8.first != hyphen && label.utf8.last != hyphen
                && label.utf8.allSatisfy { lower.contains($0) || digits.contains($0) || $0 == hyphen }
        }
    }
}

/// Walks one JSON object, remembers what was read, and says what is wrong in sentences.
struct ManifestReader {
    let place: String
    private let members: [String: JSONValue]?
    private var read: Set<String> = []
    private(set) var faults: [String] = []

    init(_ value: JSONValue, place: String) {
        self.place = place
        members = value.object
        if members == nil { faults.append("\(place) must be a JSON object.") }
    }
    var isObject: Bool { members != nil }

    mutating func fault(_ sentence: String) { faults.append("\(place): \(sentence)") }
    mutating func value(_ name: String) -> JSONValue? {
        read.insert(name)
        return members?[name]
    }
    mutating func integer(_ name: String) -> Int64? { value(name)?.int }
    mutating func text(_ name: String, _ length: ClosedRange<Int>, _ check: Rule.Check? = nil) -> String? {
        guard let found = value(name) else {
            fault("\(name) is missing.")
            return nil
        }
        return accepted(name, found, length, check)
    }
    mutating func optionalText(_ name: String, _ length: ClosedRange<Int>, _ check: Rule.Check? = nil) -> String? {
        guard let found = value(name) else { return nil }
        return accepted(name, found, length, check)
    }
    private mutating func accepted(_ name: String, _ found: JSONValue, _ length: ClosedRange<Int>, _ check: Rule.Check?) -> String? {
        guard let text = found.string, length.contains(text.utf8.count), !text.unicodeScalars.contains(where: { $0.value < 32 }) else {
            fault("\(name) must be a text of \(length.lowerBound) to \(length.upperBound) bytes.")
            return nil
        }
        if let check, !check.accepts(text) {
            fault("\(name) must be \(check.rule).")
            return nil
        }
        return text
    }
    mutating func optionalFlag(_ name: String) -> Bool? {
        guard let found = value(name) else { return nil }
        if found.bool == nil { fault("\(name) must be true or false.") }
        return found.bool
    }
    mutating func texts(_ name: String, max: Int, optional: Bool = false) -> [String] {
        guard let found = value(name) else {
            if !optional { fault("\(name) is missing.") }
            return []
        }
        guard let items = found.array, items.count <= max, items.allSatisfy({ $0.string != nil }) else {
            fault("\(name) must be a list of at most \(max) texts.")
            return []
        }
        return items.compactMap(\.string)
    }
    mutating func objects(_ name: String, max: Int) -> [ManifestReader] {
        guard let found = value(name) else { return [] }
        guard let items = found.array, items.count <= max else {
            fault("\(name) must be a list of at most \(max) objects.")
            return []
        }
        return items.enumerated().map { ManifestReader($0.element, place: "\(place): \(name)[\($0.offset)]") }
    }
    mutating func unique(_ what: String, _ names: [String]) {
        let twice = Set(names.filter { name in names.filter { $0 == name }.count > 1 })
        for name in twice.sorted() { fault("\(what) names \(name) twice.") }
    }
    mutating func finish() {
        for name in (members ?? [:]).keys.sorted() where !read.contains(name) {
            fault("\(name.debugDescription) is not a member of this format.")
        }
    }
    mutating func finish(into parent: inout ManifestReader) {
        finish()
        parent.faults.append(contentsOf: faults)
    }
}
