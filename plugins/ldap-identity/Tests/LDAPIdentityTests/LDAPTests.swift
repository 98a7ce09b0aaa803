import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import LDAPIdentity

@Suite struct ConformanceTests {
    @Test("the plugin passes the conformance kit for directories", arguments: Preset.allCases)
    func conformance(preset: Preset) async {
        for finding in await DirectoryConformance(LDAPSubject(preset: preset)).run() {
            #expect(finding.holds, "\(finding.check): \(finding.faults.joined(separator: " "))")
        }
    }
}

@Suite struct FilterTests {
    static let readable: [(String, Filter)] = [
        ("(uid=ada)", .equal("uid", "ada")), ("(uid=*)", .present("uid")),
        ("(cn=a*)", .substrings("cn", initial: [97], any: [], final: nil)),
        ("(cn=*a*b*)", .substrings("cn", initial: nil, any: [[97], [98]], final: nil)),
        ("(cn=a*b)", .substrings("cn", initial: [97], any: [], final: [98])), ("(cn=\\2a)", .equal("cn", "*")),
        ("(cn=\\28x\\29)", .equal("cn", "(x)")), ("(cn=\\00)", .equal("cn", [0])), ("(cn=)", .equal("cn", "")),
        ("(n>=5)", .atLeast("n", [53])), ("(n<=5)", .atMost("n", [53])), ("(n~=5)", .approximately("n", [53])),
        ("(&(a=1)(!(b=2)))", .and([.equal("a", "1"), .not(.equal("b", "2"))])),
        ("(|(a=1)(b=2))", .or([.equal("a", "1"), .equal("b", "2")])),
        (
            "(memberOf:1.2.840.113556.1.4.1941:=cn=g,dc=x)",
            .rule("1.2.840.113556.1.4.1941", attribute: "memberOf", Array("cn=g,dc=x".utf8))
        ), ("(2.5.4.3=x)", .equal("2.5.4.3", "x")),
    ]
    @Test("an administrator's filter is read as RFC 4515 says", arguments: readable)
    func reads(text: String, filter: Filter) { #expect(FilterText.filter(text) == filter) }

    @Test(
        "what is no filter is refused",
        arguments: [
            "", "uid=ada", "(uid=ada", "(uid=ada))", "((uid=ada))", "()", "(&)", "(uid)", "(=ada)", "(uid=a(b)", "(uid=\\2)", "(uid=\\zz)",
            "(uid=\\+1)", "(u id=a)", "(cn=a**b)", "(n>=a*)", "(!(a=1)(b=2))", "(-a=1)", "(1..2=1)", "(uid=a\0)", "(a:b:=c", "(a::=c)",
            String(repeating: "(!", count: 11) + "(a=1)" + String(repeating: ")", count: 11),
            "(|" + String(repeating: "(a=1)", count: 60) + ")", "(uid=" + String(repeating: "x", count: 1_000) + ")",
        ])
    func refuses(text: String) { #expect(FilterText.filter(text) == nil) }

    @Test("a typed name goes out as bytes that nothing is read out of")
    func typed() {
        for name in ["*", "a)(uid=*", "\\2a", "a\u{0}b", "é"] {
            #expect(Filter.equal("uid", name).encoded == BER.element(0xA3, [BER.text("uid"), BER.text(name)]))
        }
    }
}

@Suite struct NameTests {
    @Test(
        "names are compared without case, spaces and ways of escaping",
        arguments: [
            ("CN=Ada , DC=Example,DC=com", "cn=ada,dc=example,dc=com"), ("cn=a\\,b,dc=x", "cn=A\\2cb,dc=x"),
            ("cn=a+sn=b,dc=x", "sn=b+cn=a,dc=x"),
            ("cn=\\20a\\20,dc=x", "cn=\\ a\\ ,dc=x"), ("cn=\\C3\\A9,dc=x", "cn=é,dc=x"),
        ])
    func alike(one: String, two: String) throws {
        let (first, second) = (try #require(DistinguishedName(one)), try #require(DistinguishedName(two)))
        #expect(first.comparable == second.comparable)
        #expect(DistinguishedName(first.comparable)?.comparable == first.comparable)
    }

    @Test(
        "what is no name is refused",
        arguments: ["", "ada", "cn=", "=a", "cn=a,", ",cn=a", "cn=a,dc", "c n=a", "cn=a\0", "cn=a\\", "cn=\\ff"])
    func refused(text: String) { #expect(DistinguishedName(text) == nil) }

    @Test(
        "escaping is that of RFC 4514",
        arguments: [("a,b", "a\\,b"), ("#a", "\\#a"), (" a ", "\\ a\\ "), ("a=b\\", "a\\=b\\\\"), ("a\0", "a\\00"), ("é", "é")])
    func escaped(plain: String, escaped: String) throws {
        #expect(DistinguishedName.escaped(plain) == escaped)
        #expect(DistinguishedName("cn=\(escaped)")?.parts[0][0].value == plain || plain.utf8.contains(0))
    }

    @Test("a directory goes by its domain, wherever in it people are looked for")
    func domain() {
        #expect(DistinguishedName("OU=People,DC=Corp,DC=example,DC=com")?.domain == "corp.example.com")
        #expect(DistinguishedName("o=Example,c=DE")?.domain == "o=example,c=de")
    }
}

@Suite struct StandingTests {
    static let words: [(String, DirectoryAccountState)] = [
        ("525", .credentialsInvalid), ("52e", .credentialsInvalid), ("530", .restricted), ("531", .restricted), ("532", .passwordExpired),
        ("533", .disabled), ("701", .expired), ("773", .passwordMustChange), ("775", .locked), ("fff", .credentialsInvalid),
    ]
    @Test("Active Directory's sub-codes are told apart, and no other directory's words are read", arguments: words)
    func subCodes(code: String, state: DirectoryAccountState) {
        let outcome = Outcome.invalid("80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data \(code), v2580\0")
        #expect(Standing.of(outcome, nil, .activeDirectory).refusal == .account(state))
        #expect(Standing.of(outcome, nil, .openLDAP).refusal == .account(.credentialsInvalid))
    }

    @Test("a password policy's word counts for OpenLDAP, also beside a success")
    func policy() {
        for (error, state) in [(0, DirectoryAccountState.passwordExpired), (1, .locked), (2, .passwordMustChange)] {
            #expect(Standing.of(.invalid(""), Int32(error), .openLDAP).refusal == .account(state))
        }
        #expect(Standing.of(Outcome.made(0), 2, .openLDAP).refusal == .account(.passwordMustChange))
        #expect(Standing.of(Outcome.made(0), nil, .openLDAP).refusal == nil)
    }

    static let codes: [Int32] = [1, 2, 3, 8, 10, 13, 14, 32, 34, 48, 50, 51, 52, 53, 80, -1, 4096]
    @Test("no code but success lets anybody in", arguments: codes)
    func barred(code: Int32) {
        for preset in Preset.allCases { #expect(Standing.of(Outcome.made(code), nil, preset).refusal != nil) }
    }

    static let flags: [([String: [String]], DirectoryAccountState?)] = [
        (["userAccountControl": ["512"]], nil), (["userAccountControl": ["514"]], .disabled),
        (["msDS-User-Account-Control-Computed": ["16"]], .locked), (["msDS-User-Account-Control-Computed": ["8388608"]], .passwordExpired),
        (["accountExpires": ["0"]], nil), (["accountExpires": ["9223372036854775807"]], nil),
        (["accountExpires": ["\((1_800_000_000 + 11_644_473_600) * 10_000_000)"]], .expired),
        (["accountExpires": ["\((1_800_000_001 + 11_644_473_600) * 10_000_000)"]], nil),
    ]
    @Test("an entry whose password was right is looked at again", arguments: flags)
    func entry(flags: [String: [String]], state: DirectoryAccountState?) async throws {
        var ada = Stage.person("late", 40, .activeDirectory)
        for (name, values) in flags { ada.attributes[name] = values.map { Array($0.utf8) } }
        let stage = try await Stage(.activeDirectory, more: [ada])
        #expect(await stage.refusal("late") == state.map { .account($0) })
    }
}

@Suite struct FlowTests {
    @Test("pages are read to their end; somebody in more groups than an assertion holds is not let in with a part of them")
    func pages() async throws {
        let ada = "uid=ada,\(Stage.people)"
        for preset in Preset.allCases {
            let many = (0..<60).map { Stage.group("g\($0)", [ada]) }
            #expect(try await Stage(preset, more: many.prefix(30).map { $0 }).come().groups.count == 34)
            let most = (0..<501).map { Stage.group("g\($0)", [ada]) }
            let stage = try await Stage(preset, more: most)
            stage.directory.state.withLock { $0.pageSize = 400 }
            guard case .misconfigured(let why) = await stage.refusal() else { throw PluginRefusal("let in") }
            #expect(why.contains("more than 500 groups"))
        }
    }

    @Test("groups by their whole names, below their base only")
    func groupNames() async throws {
        let ada = "uid=ada,\(Stage.people)"
        let stranger = PaperDirectory.Thing("cn=engineers,ou=Elsewhere,dc=example,dc=com", ["cn": ["admins"], "member": [ada]])
        let stage = try await Stage(more: [stranger])
        #expect(try await !stage.come().groups.contains("admins"))
        #expect(try await stage.come("grace", nil, ["group_names": "dn"]).groups.contains("cn=staff,\(Stage.groups)"))
    }

    @Test("the next server is asked where one is away, and first from then on; a password is asked about once")
    func failover() async throws {
        let stage = try await Stage()
        let servers = ["servers": "one.example.com, two.example.com:1389"]
        stage.directory.state.withLock { $0.away = ["one.example.com:389"] }
        _ = try await stage.come("ada", nil, servers)
        #expect(stage.directory.state.withLock { $0.connections } == ["one.example.com:389", "two.example.com:1389"])
        _ = try await stage.come("ada", nil, servers)
        #expect(stage.directory.state.withLock { $0.connections }.last == "two.example.com:1389")
        #expect(stage.directory.state.withLock { $0.connections }.count == 3)
        stage.directory.state.withLock { state in
            state.lie = { tag, id, normal in tag == Lie.bind && id > 3 ? [] : normal }
        }
        let before = stage.directory.asked("uid=ada,\(Stage.people)")
        guard case .unreachable = await stage.refusal("ada", nil, servers) else { throw PluginRefusal("not unreachable") }
        #expect(stage.directory.asked("uid=ada,\(Stage.people)") == before + 1)
    }

    @Test("too many tries end before the directory's own lockout, a right password in between begins anew, and time heals")
    func tries() async throws {
        let stage = try await Stage(settings: ["tries": 3])
        let ada = "uid=ada,\(Stage.people)"
        for _ in 0..<2 { #expect(await stage.refusal("ada", "wrong") == .account(.credentialsInvalid)) }
        _ = try await stage.come()
        for (name, state) in [
            ("ada", DirectoryAccountState.credentialsInvalid), ("ADA", .credentialsInvalid), ("ada@example.com", .credentialsInvalid),
            ("ada", .locked),
        ] {
            #expect(await stage.refusal(name, "wrong") == .account(state), "one account by whatever name")
        }
        #expect(stage.directory.asked(ada) == 6)
        #expect(await stage.refusal("ada") == .account(.locked))
        #expect(stage.directory.asked(ada) == 6)
        stage.bench.clock.advance(by: .seconds(1_800))
        _ = try await stage.come()
    }

    @Test("a directory that invents people without end fills its own room, and takes counts from nobody else")
    func crowd() {
        let tries = TryGuard(tries: 2, memory: .seconds(60))
        #expect(tries.begin("ada", of: "home", now: moment) && tries.begin("ada", of: "home", now: moment))
        for directory in 0..<40 {
            for person in 0..<TryGuard.maxAccounts { _ = tries.begin("\(person)", of: "evil-\(directory)", now: moment) }
        }
        #expect(!tries.begin("ada", of: "home", now: moment), "what was counted is counted still")
        #expect(tries.begin("grace", of: "home", now: moment))
        let alone = TryGuard(tries: 2, memory: .seconds(60))
        for person in 0..<TryGuard.maxAccounts { #expect(alone.begin("\(person)", of: "evil", now: moment)) }
        #expect(!alone.begin("one more", of: "evil", now: moment), "its room is full")
        #expect(alone.begin("one more", of: "evil", now: moment + .seconds(60)))
    }

    @Test("every refusal is answered at a whole pace; whoever comes in waits for nothing")
    func pace() async throws {
        let stage = try await Stage()
        func took(_ user: String, _ password: String?) async -> Duration {
            let begun = stage.bench.clock.now()
            _ = await stage.refusal(user, password)
            return stage.bench.clock.now() - begun
        }
        for (user, password) in [
            ("ada", "wrong"), ("nobody", "wrong"), ("ada", ""), ("", "x"), ("twins@example.com", "x"), ("ida-disabled", "x"),
        ] { #expect(await took(user, password) == .milliseconds(500), "\(user)") }
        #expect(await took("grace", nil) == .zero)
    }

    static let wrong: [([String: String], String)] = [
        (["preset": "novell"], "preset"), (["encryption": "none"], "encryption is ldaps or starttls"), (["servers": ""], "servers"),
        (["servers": "a b"], "servers"), (["servers": "a,b,c,d,e"], "servers"), (["servers": "a,a"], "servers"),
        (["base_dn": "x"], "base_dn"),
        (["bind_dn": "x"], "bind_dn"), (["people_filter": "(x"], "people_filter"), (["login_attributes": "a b"], "login_attributes"),
        (["login_attributes": "uid=*"], "login_attributes"), (["groups_base_dn": "x"], "groups_base_dn"),
        (["group_names": "x"], "group_names"),
        (["trusted_roots": "x"], "trusted_roots"),
        (["trusted_roots": "-----BEGIN CERTIFICATE-----!!-----END CERTIFICATE-----"], "trusted_roots"),
    ]
    @Test("a setting that cannot be is refused with its name, before anybody is connected to", arguments: wrong)
    func refusesSetting(settings: [String: String], words: String) async throws {
        let stage = try await Stage()
        guard case .misconfigured(let why) = await stage.refusal("ada", nil, settings) else { throw PluginRefusal("taken") }
        #expect(why.contains(words) && stage.directory.state.withLock { $0.connections.isEmpty })
    }

    @Test("PEM that lost its lines in a field of one line is written anew")
    func pem() throws {
        let letters = String(repeating: "QUJD", count: 40)
        let flat = "-----BEGIN CERTIFICATE----- \(letters) -----END CERTIFICATE-----"
        let made = try PEM.certificates(flat + " " + flat)
        #expect(made.split(separator: "\n").allSatisfy { $0.utf8.count <= 64 } && made.components(separatedBy: "BEGIN").count == 3)
        #expect(try PEM.certificates(made) == made)
    }

    @Test("an inspection names the setting that is wrong, and the server that does not work beside one that does")
    func inspection() async throws {
        let stage = try await Stage()
        func inspected(_ more: [String: String]) async -> String {
            do {
                return try await stage.provider.inspect(stage.connection(more), redirectAddress: "").warnings.joined(separator: "\n")
            } catch { return "\(error)" }
        }
        #expect(await inspected([:]) == "")
        #expect(await inspected(["base_dn": "dc=nowhere,dc=com"]).contains("base_dn names nothing"))
        #expect(await inspected(["groups_base_dn": "ou=Nowhere,dc=example,dc=com"]).contains("groups_base_dn names nothing"))
        #expect(await inspected(["people_filter": "(uid=nobody-at-all)"]).contains("Nobody is found below base_dn"))
        #expect(await inspected(["bind_dn": "cn=else,dc=example,dc=com"]).contains("does not let bind_dn in"))
        stage.directory.state.withLock { $0.away = ["one.example.com:389"] }
        #expect(await inspected(["servers": "one.example.com,two.example.com"]).contains("one.example.com:389 does not work"))
    }

    @Test("an attempt shows neither name nor password, however it is printed")
    func printed() {
        let attempt = DirectoryAttempt(
            connection: IdentityConnection(id: "c", isOffered: false), user: "ada-lovelace", password: "a secret word")
        var dumped = ""
        dump(attempt, to: &dumped)
        let said = "\(attempt) \(String(reflecting: attempt)) \(dumped) \([attempt])"
        #expect(!said.contains("ada-lovelace") && !said.contains("a secret word"))
    }
}

extension Outcome {
    static func made(_ code: Int32, _ words: String = "") -> Outcome { Outcome(code: code, words: words) }
    static func invalid(_ words: String) -> Outcome { made(Outcome.invalidCredentials, words) }
}
extension Result where Success == Void, Failure == IdentityProviderError {
    var refusal: IdentityProviderError? { if case .failure(let error) = self { error } else { nil } }
}
