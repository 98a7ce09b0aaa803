import Foundation
import PluginKit

/// What is special about a directory.
enum Preset: String, Sendable, CaseIterable {
    case activeDirectory = "active_directory"
    case openLDAP = "openldap"

    /// By which attributes people are found; each names one person at most.
    var loginAttributes: [String] { self == .activeDirectory ? ["userPrincipalName", "sAMAccountName", "mail"] : ["uid", "mail"] }
    var people: Filter {
        self == .activeDirectory
            ? .and([.equal("objectCategory", "person"), .equal("objectClass", "user")]) : .equal("objectClass", "person")
    }
    /// Names an entry for good, also after it was renamed or moved.
    var subject: String { self == .activeDirectory ? "objectGUID" : "entryUUID" }
    var attributes: [String] {
        let common = ["mail", "givenName", "sn", "displayName"]
        return self == .activeDirectory
            ? common + ["objectGUID", "sAMAccountName", "userAccountControl", "msDS-User-Account-Control-Computed", "accountExpires"]
            : common + ["cn", "entryUUID", "uid"]
    }

    /// The subject of an entry; nil where it names none, or several.
    func subject(of entry: Entry) -> String? {
        let values = entry.values(subject)
        guard values.count == 1 else { return nil }
        guard self == .activeDirectory else { return entry.text(subject) }
        guard values[0].count == 16 else { return nil }
        // As the directory's own tools write it: the first three groups with their bytes turned round.
        let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        let digits = Array("0123456789abcdef")
        var text = ""
        for (index, place) in order.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += String([digits[Int(values[0][place] >> 4)], digits[Int(values[0][place] & 15)]])
        }
        return text
    }
}

/// A directory as somebody set it up: checked, so that what goes wrong later is the directory's or the network's doing.
struct Terms: Sendable {
    enum Encryption: String, Sendable, CaseIterable { case ldaps, starttls }
    enum GroupNames: String, Sendable, CaseIterable { case cn, dn }

    static let maxServers = 4

    let preset: Preset
    /// In the order in which they are asked.
    let servers: [StreamAddress]
    let encryption: Encryption
    let base: String
    let domain: String
    let groupsBase: String
    let bindName: String
    let bindPassword: String
    let people: Filter
    let loginAttributes: [String]
    let groupNames: GroupNames
    /// PEM.
    let roots: String?
    let timeout: Duration

    static let fields = [
        IdentityField(
            name: "preset", label: "Directory", summary: "What is special about it.", kind: .choice,
            choices: Preset.allCases.map(\.rawValue)),
        IdentityField(
            name: "servers", label: "Servers", summary: "dc1.example.com, dc2.example.com:636: up to four, asked in this order.",
            kind: .text),
        IdentityField(
            name: "encryption", label: "Encryption", summary: "ldaps (port 636) or starttls (port 389); ldaps if left out. Never none.",
            kind: .choice, isRequired: false, choices: Encryption.allCases.map(\.rawValue)),
        IdentityField(
            name: "trusted_roots", label: "Authorities", isPEM: true,
            summary: "PEM of the authorities that sign the servers' certificates, if it is a private one."),
        IdentityField(name: "base_dn", label: "Base", summary: "dc=example,dc=com: below it people are looked for.", kind: .text),
        IdentityField(
            name: "bind_dn", label: "Account to search with",
            summary: "cn=platform,ou=Services,dc=example,dc=com; it needs to read people and groups and nothing else.", kind: .text),
        IdentityField(
            name: "bind_password", label: "Its password", summary: "Kept sealed, shown to nobody again.", kind: .secret),
        IdentityField(
            name: "people_filter", label: "Who may come",
            summary: "A filter (RFC 4515), such as (memberOf=cn=Staff,ou=Groups,dc=example,dc=com).",
            kind: .text, isRequired: false, maxBytes: FilterText.maxBytes),
        IdentityField(
            name: "login_attributes", label: "Found by",
            summary:
                "What people type to be found by; if left out: uid, mail; for Active Directory userPrincipalName, sAMAccountName, mail.",
            kind: .text, isRequired: false, maxBytes: 200),
        IdentityField(
            name: "groups_base_dn", label: "Groups below", summary: "Only groups below it count for roles; the base if left out.",
            kind: .text, isRequired: false),
        IdentityField(
            name: "group_names", label: "Groups by", summary: "cn (if left out): Engineers; dn: cn=Engineers,ou=Groups,dc=example,dc=com.",
            kind: .choice, isRequired: false, choices: GroupNames.allCases.map(\.rawValue)),
    ]

    /// Throws `misconfigured` with a sentence for whoever fills it in.
    init(_ connection: IdentityConnection, timeout: Duration) throws {
        let settings = connection.settings.filter { !$0.value.isEmpty }
        guard !connection.isOffered, let preset = Preset(rawValue: settings["preset"] ?? "") else {
            throw IdentityProviderError.misconfigured("preset is not one of \(Preset.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        guard let encryption = Encryption(rawValue: settings["encryption"] ?? "ldaps") else {
            throw IdentityProviderError.misconfigured("encryption is ldaps or starttls: passwords never cross a network in the clear")
        }
        func name(_ setting: String, or fallback: String? = nil) throws -> (text: String, name: DistinguishedName) {
            guard let text = settings[setting] ?? fallback, let name = DistinguishedName(text) else {
                throw IdentityProviderError.misconfigured("\(setting) is not a name such as dc=example,dc=com")
            }
            return (text, name)
        }
        let base = try name("base_dn")
        self.preset = preset
        self.encryption = encryption
        servers = try Self.servers(settings["servers"] ?? "", encryption)
        (self.base, domain) = (base.text, base.name.domain)
        groupsBase = try name("groups_base_dn", or: base.text).text
        bindName = try Self.bindName(settings["bind_dn"] ?? "", preset)
        guard let password = connection.secrets.list("bind_password").first, Credentials.isPassword(password) else {
            throw IdentityProviderError.misconfigured("bind_password is missing, or holds NUL")
        }
        bindPassword = password
        guard let people = settings["people_filter"].map({ FilterText.filter($0) }) ?? preset.people else {
            throw IdentityProviderError.misconfigured("people_filter is not a filter such as (objectClass=person)")
        }
        self.people = settings["people_filter"] == nil ? people : .and([preset.people, people])
        loginAttributes = try Self.attributes(settings["login_attributes"]) ?? preset.loginAttributes
        guard let names = GroupNames(rawValue: settings["group_names"] ?? "cn") else {
            throw IdentityProviderError.misconfigured("group_names is cn or dn")
        }
        groupNames = names
        roots = try settings["trusted_roots"].map(PEM.certificates)
        self.timeout = timeout
    }

    private static func servers(_ text: String, _ encryption: Encryption) throws -> [StreamAddress] {
        let found = try text.split(separator: ",").map { part in
            let word = part.trimmingCharacters(in: .whitespaces)
            let port = encryption == .ldaps ? 636 : 389
            guard let server = StreamAddress(word) ?? StreamAddress("\(word):\(port)") else {
                throw IdentityProviderError.misconfigured("servers names \(word.prefix(100)), which is neither host nor host:port")
            }
            return server
        }
        guard (1...maxServers).contains(found.count), Set(found).count == found.count else {
            throw IdentityProviderError.misconfigured("servers names one to \(maxServers) servers, each once")
        }
        return found
    }
    /// Active Directory takes `service@example.com` as well.
    private static func bindName(_ text: String, _ preset: Preset) throws -> String {
        let isPrincipal = preset == .activeDirectory && text.contains("@") && !text.contains("=") && Credentials.isName(text)
        guard isPrincipal || DistinguishedName(text) != nil else {
            throw IdentityProviderError.misconfigured("bind_dn is not a name such as cn=platform,dc=example,dc=com")
        }
        return text
    }
    private static func attributes(_ text: String?) throws -> [String]? {
        guard let text else { return nil }
        let names = text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        guard (1...6).contains(names.count), names.allSatisfy(AttributeName.isName) else {
            throw IdentityProviderError.misconfigured("login_attributes names one to six attributes, such as uid, mail")
        }
        return names
    }

    /// The person of that name; the name is bytes to be compared, whatever stands in it.
    func person(_ name: String) -> Filter { .and([people, .or(loginAttributes.map { .equal($0, name) })]) }
}

extension IdentityField {
    fileprivate init(name: String, label: String, isPEM: Bool, summary: String) {
        self.init(name: name, label: label, summary: summary, kind: .text, isRequired: false, maxBytes: 16_000)
    }
}

/// What somebody types.
enum Credentials {
    static let maxNameBytes = 254
    static let maxPasswordBytes = 1_024

    static func isName(_ text: String) -> Bool {
        (1...maxNameBytes).contains(text.utf8.count) && !text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
    }
    /// Not empty: a directory lets everybody in who names no password, as nobody (RFC 4513, 5.1.2).
    static func isPassword(_ text: String) -> Bool { (1...maxPasswordBytes).contains(text.utf8.count) && !text.utf8.contains(0) }
}

enum PEM {
    private static let begin = "-----BEGIN CERTIFICATE-----"
    private static let end = "-----END CERTIFICATE-----"

    /// Written anew: a field of one line has lost the ends of its lines.
    static func certificates(_ text: String) throws -> String {
        var (rest, found): (Substring, [String]) = (text[...], [])
        while let start = rest.range(of: begin), let stop = rest.range(of: end, range: start.upperBound..<rest.endIndex) {
            let letters = rest[start.upperBound..<stop.lowerBound].filter { !$0.isWhitespace }
            guard Data(base64Encoded: String(letters)) != nil, !letters.isEmpty else { break }
            let lines = stride(from: 0, to: letters.count, by: 64).map { String(letters.dropFirst($0).prefix(64)) }
            found.append(([begin] + lines + [end]).joined(separator: "\n"))
            rest = rest[stop.upperBound...]
        }
        guard !found.isEmpty, rest.allSatisfy(\.isWhitespace) else {
            throw IdentityProviderError.misconfigured("trusted_roots is not PEM of certificates and nothing else")
        }
        return found.joined(separator: "\n") + "\n"
    }
}
