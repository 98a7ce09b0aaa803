import Foundation
import PluginKit
import PluginKitTesting

@testable import LDAPIdentity

let moment = Timestamp(seconds: 1_800_000_000)

/// A directory, its people, and the plugin.
struct Stage {
    let bench: PluginBench
    let directory: PaperDirectory
    let provider: any IdentityProvider
    let preset: Preset

    static let manifest = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("plugin.json")
    static let people = "ou=People,dc=example,dc=com"
    static let groups = "ou=Groups,dc=example,dc=com"

    /// `number` makes the subject.
    static func person(_ uid: String, _ number: UInt8, _ preset: Preset, mail: String? = nil) -> PaperDirectory.Thing {
        var thing = PaperDirectory.Thing(
            "uid=\(uid),\(people)",
            [
                "objectClass": ["top", "person", "user"], "objectCategory": ["person"], "uid": [uid], "sAMAccountName": [uid],
                "userPrincipalName": ["\(uid)@example.com"], "mail": [mail ?? "\(uid)@example.com"], "givenName": [uid.capitalized],
                "sn": ["Lovelace"], "cn": [uid.capitalized],
            ], password: "password-of-\(uid)")
        thing.attributes["entryUUID"] = [Array("00000000-0000-4000-8000-0000000000\(number)".utf8)]
        thing.attributes["objectGUID"] = [[UInt8](repeating: 0, count: 15) + [number]]
        return thing
    }
    static func group(_ name: String, _ members: [String]) -> PaperDirectory.Thing {
        PaperDirectory.Thing("cn=\(name),\(groups)", ["objectClass": ["groupOfNames"], "cn": [name], "member": members])
    }
    static func subject(_ number: UInt8, _ preset: Preset) -> String {
        preset == .openLDAP
            ? "00000000-0000-4000-8000-0000000000\(number)"
            : "00000000-0000-0000-0000-0000000000" + (number < 16 ? "0" : "") + String(number, radix: 16)
    }
    static let states: [(String, DirectoryAccountState, String, Int32?)] = [
        ("ida-disabled", .disabled, "533", nil), ("ida-expired", .expired, "701", nil), ("ida-oldword", .passwordExpired, "532", 0),
        ("ida-newword", .passwordMustChange, "773", 2), ("ida-hours", .restricted, "530", nil),
    ]

    init(
        _ preset: Preset = .openLDAP, settings: [String: JSONValue] = [:], more: [PaperDirectory.Thing] = []
    ) async throws {
        self.preset = preset
        bench = try PluginBench(manifest: Self.manifest, at: moment, skipsSleep: true)
        let ada = Self.person("ada", 11, preset)
        let grace = Self.person("grace", 12, preset)
        var things = [
            PaperDirectory.Thing("dc=example,dc=com", [:]), PaperDirectory.Thing(Self.groups, [:]), ada, grace,
            Self.person("twin", 13, preset, mail: "twins@example.com"), Self.person("twine", 14, preset, mail: "twins@example.com"),
            Self.group("engineers", [ada.name]), Self.group("staff", ["cn=engineers,\(Self.groups)", grace.name]),
            Self.group("circle", ["cn=staff,\(Self.groups)", "cn=ring,\(Self.groups)"]), Self.group("ring", ["cn=circle,\(Self.groups)"]),
            Self.group("others", ["uid=somebody,\(Self.people)"]),
        ]
        for (index, (uid, _, code, policy)) in Self.states.enumerated() {
            var thing = Self.person(uid, UInt8(20 + index), preset)
            if preset == .activeDirectory {
                thing.bar = (49, "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data \(code), v2580\0", nil)
            } else if let policy {
                thing.bar = (policy == 2 ? 0 : 49, "", policy)
            }
            things.append(thing)
        }
        var locked = Self.person("ida-locked", 30, preset)
        locked.isLocked = true
        directory = PaperDirectory(things + [locked] + more, clock: bench.clock)
        var context = try bench.context(settings: settings)
        context.streams = directory
        guard let made = try await PluginBench.made(LDAPIdentity(), context).identityProvider else { throw PluginRefusal("no provider") }
        provider = made
    }

    func connection(_ more: [String: String] = [:]) -> IdentityConnection {
        var settings = [
            "preset": preset.rawValue, "servers": "ldap.example.com", "encryption": "starttls", "base_dn": "dc=example,dc=com",
            "bind_dn": PaperDirectory.service, "groups_base_dn": Self.groups,
        ]
        settings.merge(more) { $1 }
        return IdentityConnection(
            id: "c-1", isOffered: false, settings: settings,
            secrets: PluginSecrets(["bind_password": [PaperDirectory.servicePassword]]))
    }
    func come(_ user: String = "ada", _ password: String? = nil, _ more: [String: String] = [:]) async throws -> IdentityAssertion {
        try await provider.authenticate(
            DirectoryAttempt(connection: connection(more), user: user, password: password ?? "password-of-\(user)"))
    }
    func refusal(_ user: String = "ada", _ password: String? = nil, _ more: [String: String] = [:]) async -> IdentityProviderError? {
        do {
            _ = try await come(user, password, more)
            return nil
        } catch { return error as? IdentityProviderError }
    }
}

/// Every lie of a directory, or of who sits before it.
enum Lie {
    typealias Change = @Sendable (inout PaperDirectory.State) -> Void
    typealias Tell = @Sendable (Int32, [UInt8]) -> [UInt8]
    /// Instead of the answer to questions of this operation.
    static func to(_ operation: UInt8, _ tell: @escaping Tell) -> Change {
        { $0.lie = { tag, id, normal in tag == operation ? tell(id, normal) : normal } }
    }
    static let bind: UInt8 = 0x60
    static let search: UInt8 = 0x63
    static let startTLS: UInt8 = 0x77
    static func forged(_ id: Int32, _ name: String = "uid=ada,\(Stage.people)", subjects: Int = 1) -> [UInt8] {
        var thing = PaperDirectory.Thing(name, ["entryUUID": (0..<subjects).map { "u-\($0)" }, "mail": ["ada@example.com"]])
        thing.attributes["objectGUID"] = (0..<subjects).map { [UInt8](repeating: UInt8($0), count: 16) }
        return PaperDirectory.message(id, PaperDirectory.entry(thing, ["entryUUID", "objectGUID", "mail"]))
    }
    static func done(_ id: Int32, _ code: Int32 = 0) -> [UInt8] { PaperDirectory.message(id, PaperDirectory.result(0x65, code)) }

    static let all: [(String, Change)] = [
        ("StartTLS is refused", to(startTLS) { id, _ in PaperDirectory.message(id, PaperDirectory.result(0x78, 2)) }),
        ("StartTLS is answered by something else", to(startTLS) { id, _ in PaperDirectory.message(id, PaperDirectory.result(0x61, 0)) }),
        (
            "an answer slips in before encryption",
            { state in
                // A whole conversation: whoever reads on sees nothing of the real one.
                let yes = { (id: Int32) in PaperDirectory.message(id, PaperDirectory.result(0x61, 0)) }
                state.slippedIn = yes(2) + forged(3) + done(3) + yes(4) + yes(5) + done(6)
            }
        ),
        ("the certificate is another's", { $0.takesTLS = false }),
        ("a bind's answer has another id", to(bind) { id, _ in PaperDirectory.message(id + 1, PaperDirectory.result(0x61, 0)) }),
        ("a bind's answer has the id of nobody", to(bind) { _, _ in PaperDirectory.message(0, PaperDirectory.result(0x61, 0)) }),
        ("a bind's answer has an id below zero", to(bind) { _, _ in PaperDirectory.message(-1, PaperDirectory.result(0x61, 0)) }),
        ("a bind is answered by the end of a search", to(bind) { id, _ in done(id) }),
        (
            "the searching account is not let in",
            to(bind) { id, _ in PaperDirectory.message(id, PaperDirectory.result(0x61, 49)) }
        ),
        (
            "the directory ends the connection",
            to(bind) { _, _ in
                PaperDirectory.message(0, PaperDirectory.result(0x78, 52, tail: BER.text(Answer.noticeOfDisconnection, tag: 0x8A)))
            }
        ),
        ("a person with the name of nobody", to(search) { id, _ in forged(id, "") + done(id) }),
        ("a person with a name that is none", to(search) { id, _ in forged(id, "eve") + done(id) }),
        ("a person without a subject", to(search) { id, _ in forged(id, subjects: 0) + done(id) }),
        ("a person with two subjects", to(search) { id, _ in forged(id, subjects: 2) + done(id) }),
        ("two people where one was asked for", to(search) { id, normal in forged(id) + normal }),
        ("a person of another question", to(search) { id, normal in forged(id + 7) + normal }),
        ("a referral in place of people", to(search) { id, _ in done(id, 10) }),
        ("people without end", to(search) { id, normal in (0..<2_100).flatMap { _ in forged(id) } + normal }),
        (
            "references without end",
            to(search) { id, normal in
                (0..<200).flatMap { _ in PaperDirectory.message(id, BER.element(0x73, BER.text("ldap://a/"))) } + normal
            }
        ),
        (
            "pages without end",
            to(search) { id, _ in
                let more = BER.element(BER.sequence, [BER.number(0), BER.element(BER.octets, [1])])
                return PaperDirectory.message(id, PaperDirectory.result(0x65, 0), [(Control.pages, more)])
            }
        ),
        ("a message larger than memory", to(search) { _, _ in [0x30, 0x84, 0x7F, 0xFF, 0xFF, 0xFF, 2, 1, 2] }),
        ("a length without an end", to(search) { _, _ in [0x30, 0x80, 2, 1, 2, 0x65, 0x80, 0, 0, 0, 0] }),
        ("a length beyond the message", to(search) { _, _ in [0x30, 5, 2, 1, 2, 0x65, 0x7F] }),
        ("a tag without an end", to(search) { _, _ in [0x3F, 0xFF, 0xFF, 0xFF, 0xFF] }),
        ("no message at all", to(search) { _, _ in Array("HTTP/1.1 200 OK\r\n\r\n".utf8) }),
        (
            "an entry whose attribute stands there twice",
            to(search) { id, _ in
                let pair = BER.element(BER.sequence, [BER.text("entryUUID"), BER.element(BER.set, BER.text("u-1"))])
                return PaperDirectory.message(
                    id, BER.element(0x64, [BER.text("uid=ada,\(Stage.people)"), BER.element(BER.sequence, [pair, pair])])) + done(id)
            }
        ),
        (
            "values without end",
            to(search) { id, _ in
                let many = BER.element(BER.set, (0..<3_000).map { _ in BER.text("u") })
                let pair = BER.element(BER.sequence, [BER.text("entryUUID"), many])
                return PaperDirectory.message(
                    id, BER.element(0x64, [BER.text("uid=ada,\(Stage.people)"), BER.element(BER.sequence, pair)]))
                    + done(id)
            }
        ),
        ("an answer that drips", { $0.drip = .milliseconds(500) }),
    ]
}

struct LDAPSubject: DirectorySubject {
    var preset = Preset.openLDAP

    func stage() async throws -> DirectoryStage {
        let stage = try await Stage(preset)
        let directory = stage.directory
        func person(_ uid: String, _ number: UInt8, _ groups: Set<String>) -> DirectoryPerson {
            DirectoryPerson(
                user: uid, password: "password-of-\(uid)", subject: Stage.subject(number, preset), address: "\(uid)@example.com",
                groups: groups)
        }
        let barred = Stage.states.filter { preset == .activeDirectory || $0.3 != nil }.map { (person($0.0, 0, []), $0.1) }
        return DirectoryStage(
            provider: stage.provider, connection: stage.connection(),
            people: [
                person("ada", 11, ["engineers", "staff", "circle", "ring"]), person("grace", 12, ["staff", "circle", "ring"]),
            ], secrets: [PaperDirectory.servicePassword],
            asked: { person in directory.asked(person.map { "uid=\($0.user),\(Stage.people)" }) },
            inTheClear: { String(decoding: directory.state.withLock { $0.clear }, as: UTF8.self) }, log: { stage.bench.log.lines },
            cutOff: { directory.state.withLock { $0.isAway = true } }, babble: { directory.state.withLock { $0.babbles = true } },
            ambiguous: [("twins@example.com", "password-of-twin"), ("twins@example.com", "password-of-twine")],
            barred: barred + [(person("ida-locked", 30, []), .locked)],
            cheats: Lie.all.map { name, change in (name, { directory.state.withLock { change(&$0) } }) })
    }
}
