import Foundation
import PluginKit
import Testing

@Suite struct ManifestTests {
    static let proper: JSONValue = [
        "manifest": 1, "id": "acme", "name": "Acme", "version": "1.0.0", "kinds": ["payment_provider"], "kit": "1.0",
        "library": "libAcme.so",
        "webhook": "/webhooks/acme", "hosts": ["api.acme.test", "self"],
        "secrets": [["name": "ACME_SECRET", "summary": "Proves webhooks.", "list": true]],
        "settings": [
            ["name": "tolerance", "type": "integer", "summary": "Seconds.", "min": 1, "max": 600, "default": 300],
            [
                "name": "base", "type": "url", "summary": "Where.", "default": "https://api.acme.test", "environment": "ACME_BASE",
                "opens_host": true,
            ],
            ["name": "mode", "type": "text", "summary": "Which.", "choices": ["test", "live"], "required": true],
        ],
    ]
    static func faults(_ change: (inout [String: JSONValue]) -> Void) -> [String] {
        guard case .object(var members) = proper else { return [] }
        change(&members)
        do {
            _ = try PluginManifest(json: JSONValue.object(members).encoded())
            return []
        } catch let fault as PluginManifest.Fault { return fault.sentences } catch { return ["\(error)"] }
    }

    @Test("a proper manifest is read")
    func reads() throws {
        let manifest = try PluginManifest(json: Self.proper.encoded())
        #expect(manifest.id == "acme" && manifest.kinds == [.paymentProvider] && manifest.kit == .init(major: 1, minor: 0))
        #expect(manifest.secrets.first?.isList == true && manifest.secrets.first?.isRequired == true && manifest.pages == false)
        #expect(manifest.settings.map(\.name) == ["tolerance", "base", "mode"])
    }

    @Test("every mistake is said in a sentence that names its place")
    func mistakes() {
        let table: [(String, (inout [String: JSONValue]) -> Void)] = [
            ("plugin.json: manifest must be 1, the version of this format.", { $0["manifest"] = 2 }),
            ("plugin.json: id must be lower-case letters, digits and hyphens, a letter first.", { $0["id"] = "Acme" }),
            ("plugin.json: id must be a text of 1 to 40 bytes.", { $0["id"] = "" }),
            ("plugin.json: name is missing.", { $0["name"] = nil }),
            ("plugin.json: version must be three numbers like 1.2.0.", { $0["version"] = "01.2.0" }),
            ("plugin.json: kit must be two numbers like 1.0.", { $0["kit"] = "1.0.0" }),
            ("plugin.json: library must be a file name like libName.so, without a folder.", { $0["library"] = "lib/../../x.so" }),
            ("plugin.json: webhook of a payment provider must be /webhooks/acme.", { $0["webhook"] = "/webhooks/other" }),
            (
                "plugin.json: kinds names time_machine; this kit knows payment_provider, policy_module, notification_channel, compliance_framework, identity_provider, key_service, file_store, provisioner, support_desk.",
                { $0["kinds"] = ["payment_provider", "time_machine"] }
            ),
            ("plugin.json: hosts names \"https://x\", which is not a host name, host:port or self.", { $0["hosts"] = ["https://x"] }),
            ("plugin.json: hosts names \"*\", which is not a host name, host:port or self.", { $0["hosts"] = ["*"] }),
            ("plugin.json: \"extra\" is not a member of this format.", { $0["extra"] = true }),
            ("plugin.json: secrets names A twice.", { $0["secrets"] = [["name": "A", "summary": "s"], ["name": "A", "summary": "s"]] }),
            (
                "plugin.json: secrets[0]: name must be upper-case letters, digits and underscores, a letter first.",
                {
                    $0["secrets"] = [["name": "a", "summary": "s"]]
                }
            ),
            (
                "plugin.json: settings[0]: \"defualt\" is not a member of this format.",
                {
                    $0["settings"] = [["name": "a", "type": "flag", "summary": "s", "defualt": true]]
                }
            ),
            (
                "plugin.json: settings[0]: the default of the setting a must lie between 1 and 5.",
                {
                    $0["settings"] = [["name": "a", "type": "integer", "summary": "s", "min": 1, "max": 5, "default": 9]]
                }
            ),
            (
                "plugin.json: settings[0]: the setting a is a whole number and needs min and max.",
                {
                    $0["settings"] = [["name": "a", "type": "integer", "summary": "s"]]
                }
            ),
            ("plugin.json: settings[0] must be a JSON object.", { $0["settings"] = ["a"] }),
        ]
        for (sentence, change) in table { #expect(Self.faults(change).contains(sentence), "\(sentence) ← \(Self.faults(change))") }
        #expect(throws: PluginManifest.Fault(sentences: ["plugin.json cannot be read: This is not a JSON document."])) {
            _ = try PluginManifest(json: Data("{".utf8))
        }
        #expect(throws: PluginManifest.Fault.self) { _ = try PluginManifest(json: Data(repeating: 32, count: 70_000)) }
    }

    @Test("settings are defaulted, bounded and complete, or refused with every reason")
    func settings() throws {
        let manifest = try PluginManifest(json: Self.proper.encoded())
        let inForce = try manifest.settings(from: ["mode": "live"]).get()
        #expect(
            try inForce.integer("tolerance") == 300 && inForce.text("mode") == "live" && inForce.text("base") == "https://api.acme.test")
        func faults(_ given: [String: JSONValue]) -> [String] {
            if case .failure(let fault) = manifest.settings(from: given) { return fault.sentences }
            return []
        }
        #expect(faults([:]) == ["The setting mode is missing."])
        #expect(
            faults(["mode": "loud", "tolerance": 601, "base": "ftp://x", "other": 1]) == [
                "The setting other is unknown; this plugin has tolerance, base, mode.",
                "The setting tolerance must lie between 1 and 600.",
                "The setting base must be an http or https address without credentials, query or fragment.",
                "The setting mode must be one of test, live.",
            ])
        #expect(faults(["mode": "live", "tolerance": "300"]) == ["The setting tolerance must be a whole number."])
    }

    @Test(
        "a setting opens a file only where the operator says which: a text without a default and without a variable of the plugin's choice")
    func opensFile() throws {
        func fault(_ setting: JSONValue) throws -> String? {
            var members = try #require(Self.proper.object)
            members["settings"] = [setting]
            do {
                #expect(try PluginManifest(json: JSONValue.object(members).encoded()).settings.map(\.opensFile) == [true])
                return nil
            } catch { return "\(error)" }
        }
        #expect(try fault(["name": "list", "type": "text", "max": 99, "opens_file": true, "summary": "s"]) == nil)
        for setting: JSONValue in [
            ["name": "list", "type": "text", "max": 99, "opens_file": true, "summary": "s", "default": "/etc/shadow"],
            ["name": "list", "type": "text", "max": 99, "opens_file": true, "summary": "s", "environment": "HOME"],
            ["name": "list", "type": "url", "opens_file": true, "summary": "s"],
        ] { #expect(try fault(setting)?.contains("opens_file of the setting list is for a text") == true) }
    }

    @Test("an explicit null is a setting that nobody gave: the default holds, an optional one has no value, a required one is missing")
    func nullSettings() throws {
        var members = try #require(Self.proper.object)
        members["settings"] = [
            ["name": "note", "type": "text", "min": 1, "max": 9, "summary": "s"],
            ["name": "mode", "type": "text", "max": 9, "default": "test", "summary": "s"],
            ["name": "seller", "type": "text", "max": 9, "required": true, "summary": "s"],
        ]
        let manifest = try PluginManifest(json: JSONValue.object(members).encoded())
        let inForce = try manifest.settings(from: ["note": .null, "mode": .null, "seller": "Acme"]).get()
        #expect(inForce["note"] == JSONValue?.none && inForce["mode"] == "test")
        #expect(PluginSettings(["note": .null])["note"] == JSONValue?.none)
        guard case .failure(let fault) = manifest.settings(from: ["seller": .null]) else {
            Issue.record("a required setting was taken as null")
            return
        }
        #expect(fault.sentences == ["The setting seller is missing."])
    }

    @Test("an address that two readers could read differently has no origin")
    func origins() {
        #expect(WebOrigin("https://Api.Acme.test/v1")?.description == "https://api.acme.test")
        #expect(WebOrigin("http://127.0.0.1:12111")?.isLoopback == true)
        #expect(WebOrigin("http://[::1]:80/")?.isLoopback == true)
        #expect(WebOrigin("http://127.0.0.1.evil.test")?.isLoopback == false)
        for text in [
            "https://user@api.acme.test", "https://api.acme.test\\@evil.test", "//api.acme.test", "https:api.acme.test",
            "https://api.acme.test#x",
            "https://api.acme.test?x", "https:///x", "https://api.acme.test:0", "https://api%2eacme.test", "https://api.acme.test/ x",
            "file:///etc", "",
        ] { #expect(WebOrigin(text) == nil, "\(text)") }
    }

    @Test("printing secrets shows their names only")
    func secrets() {
        let secrets = PluginSecrets(["ACME_SECRET": ["hunter2"]])
        var dumped = ""
        dump(secrets, to: &dumped)
        #expect("\(secrets)" == "secrets(ACME_SECRET)")
        #expect(!"\(secrets) \(String(reflecting: secrets)) \(dumped)".contains("hunter2"))
    }
}
