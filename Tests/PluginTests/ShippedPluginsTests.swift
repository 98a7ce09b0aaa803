import Foundation
import PluginHost
import PluginKit
import Testing

/// The plugins of this repository, built by the script that builds them for a release, in a host.
@Suite struct ShippedPluginsTests {
    static let directory: URL = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let out = FileManager.default.temporaryDirectory.appendingPathComponent(
            "coditect-shipped-\(ProcessInfo.processInfo.processIdentifier)")
        return BuiltFixture.build(["debug", out.path], root: root) ? out : URL(fileURLWithPath: "/nonexistent")
    }()

    private func host(_ bench: Bench) throws -> PluginHost {
        #expect(FileManager.default.fileExists(atPath: Self.directory.path), "the plugins do not build")
        return PluginHost(directory: Self.directory, copies: bench.copies, services: bench)
    }

    @Test("with its secrets every shipped plugin is at work, and each speaks the kit's types", arguments: PluginIsolation.allCases)
    func allLoad(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        bench.state.withLock {
            $0.environment = [
                "STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_WEBHOOK_SECRET": "whsec_1", "SANDBOX_WEBHOOK_SECRET": "whsec_1",
                "BANK_INVOICE_DESK_SECRET": "a desk that only the seller opens", "PADDLE_API_KEY": "pdl_live_apikey_01abcdef",
                "PADDLE_WEBHOOK_SECRET": "pdl_ntfset_1", "GITHUB_CLIENT_SECRET": "gh_1", "GITHUB_CLIENT_ID": "Iv1.1",
                "SENDGRID_API_KEY": "SG.one-two-three-four-five",
                "S3_ACCESS_KEY_ID": "key", "S3_SECRET_ACCESS_KEY": "secret", "KUBERNETES_TOKEN": "token",
            ]
            $0.settings["kubernetes-workstation"] = [
                "api": "https://cluster.example.com", "image": "work:1", "address": "https://{name}.{tenant}.work.example.com",
            ]
            $0.settings["sandbox"] = ["allow_public": true]
            $0.settings["bank-invoice"] = [
                "seller_name": "Analytical Engines", "seller_street": "Lindenstr. 1", "seller_postal_code": "10969",
                "seller_city": "Berlin",
                "seller_country": "DE", "seller_vat_id": "DE123456789", "iban": "DE89 3704 0044 0532 0130 00",
            ]
            $0.settings["s3-files"] = ["endpoint": "https://s3.example.com", "bucket": "files"]
            $0.settings["smtp"] = ["server": "127.0.0.1:2525", "encryption": "none"]
        }
        let host = try host(bench)
        let report = await host.load()
        // No machine that tests has an HSM at a place that is known; Tests/Interop/test_hsm_keys.py brings one.
        #expect(report.refused.map { "\($0.id ?? ""): \($0.code.rawValue)" } == ["pkcs11-keys: not_set_up"])
        #expect(host.paymentProviders.sorted() == ["bank-invoice", "paddle", "sandbox", "stripe"])
        #expect(host.identityProviders.sorted() == ["github", "ldap", "oidc", "saml"] && host.frameworks.map(\.plugin) == ["soc2"])
        #expect(host.notificationChannel("smtp") != nil && host.notificationChannel("sendgrid") != nil)
        #expect(host.notificationChannel("sandbox") == nil)
        for (id, header) in [("sandbox", "sandbox-signature"), ("stripe", "stripe-signature")] {
            let provider = try #require(host.paymentProvider(id))
            let body = Data(
                #"{"id":"evt_1","type":"tomorrow","created":\#(id == "stripe" ? "1800000000" : "\"2027-01-15T08:00:00Z\"")}"#.utf8)
            let signed = try WebhookSignature(secrets: ["whsec_1"]).header(body: body, at: bench.clock.now())
            let event = try provider.verify(WebhookDelivery(headers: [header: signed], body: body, receivedAt: bench.clock.now()))
            #expect(event.id == "evt_1" && event.createdAt == bench.clock.now())
            #expect(try provider.interpret(event) == [])
            #expect(throws: PaymentProviderError.self) {
                _ = try provider.verify(WebhookDelivery(headers: [header: signed + "0"], body: body, receivedAt: bench.clock.now()))
            }
        }
        let session = try await #require(host.paymentProvider("sandbox")).startCheckout(checkout("pro"))
        let path = session.url.replacing("https://platform.test/plugins/sandbox/", with: "")
        let pages = try #require(host.pages("sandbox"))
        #expect(
            String(decoding: try await pages.respond(to: PageRequest(method: "GET", path: path)).body, as: UTF8.self).contains("USD 99.00"))
        #expect(try await pages.respond(to: PageRequest(method: "GET", path: "style.css")).contentType == "text/css; charset=utf-8")
        #expect(host.pages("stripe") == nil)
        let file = FileContent(FileKey(tenant: "t1", path: "a/b"), "text/plain", Data("kept".utf8))
        #expect(host.fileStores == ["local-files", "s3-files"])
        #expect(host.provisioners == ["kubernetes-workstation", "local-workstation"])
        let request = PresignRequest(key: file.file.key, purpose: .read(downloadName: "b.txt"), lifetime: .seconds(60))
        #expect(try await #require(host.fileStore("s3-files")).presign(request).url.hasPrefix("https://s3.example.com/files/t1/a/b?"))
        let files = try #require(host.fileStore("local-files"))
        #expect(try await files.put(file).file == file.file)
        #expect(try await files.read(FileReading(key: file.file.key)).content == file.content)
        #expect(FileManager.default.fileExists(atPath: bench.root.path + "/folders/local-files/files/t1+/a+/b"))
        await host.stop()
    }

    @Test("without its secrets Stripe is refused, and the sandbox goes on", arguments: PluginIsolation.allCases)
    func secretMissing(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        bench.state.withLock { $0.environment = ["STRIPE_SECRET_KEY": "sk_test_1"] }
        let host = try host(bench)
        let report = await host.load()
        #expect(Set(report.loaded.map(\.id)) == ["ldap", "local-files", "local-workstation", "oidc", "saml", "sandbox", "soc2"])
        let stripe = report.refused.first { $0.id == "stripe" }
        #expect(stripe?.code == .secretMissing && stripe?.reason == "STRIPE_WEBHOOK_SECRET is not set.")
        let refused = Set(report.refused.map(\.id))
        #expect(
            refused == [
                "bank-invoice", "github", "kubernetes-workstation", "paddle", "pkcs11-keys", "s3-files", "sendgrid", "smtp", "stripe",
            ],
            "a seller without a name has nothing to put on an invoice")
        let bank = try #require(report.refused.first { $0.id == "bank-invoice" })
        #expect(bank.isUnused && bank.reason.contains("seller_name, seller_street") && bank.reason.contains("BANK_INVOICE_DESK_SECRET"))
        #expect(bench.lines.filter { $0.contains("bank-invoice: A plugin is not in use") }.count == 1)
        #expect(host.paymentProvider("stripe") == nil)
        await host.stop()
    }

    @Test("a plugin of which something is configured but not all is refused for what is missing", arguments: PluginIsolation.allCases)
    func halfConfigured(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        bench.state.withLock { $0.environment = ["CODITECT_PLUGINS_BANK_INVOICE_SELLER_NAME": "Acme"] }
        let host = try host(bench)
        let bank = try #require(await host.load().refused.first { $0.id == "bank-invoice" })
        #expect(bank.code == .settingsInvalid && bank.reason.contains("The setting iban is missing."))
        await host.stop()
    }
}
