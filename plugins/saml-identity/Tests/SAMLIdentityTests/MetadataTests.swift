import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import SAMLIdentity

@Suite struct MetadataTests {
    private func refused(_ change: @escaping @Sendable (String) -> String) async throws -> String {
        let stage = try await Stage()
        stage.home.state.withLock { $0.metadata = change }
        do {
            _ = try await stage.begin()
            return "nothing"
        } catch IdentityProviderError.misconfigured(let reason) { return reason }
    }

    @Test("metadata that cannot be used is refused with a sentence that says why")
    func refusals() async throws {
        let changes: [(String, @Sendable (String) -> String)] = [
            ("document type", { "<!DOCTYPE x>" + $0 }), ("no entityID", { $0.replacing("entityID=", with: "id=") }),
            ("SAML 2.0", { $0.replacing("SAML:2.0:protocol\"", with: "SAML:1.1:protocol\"") }),
            ("not one identity provider", { $0.replacing("IDPSSO", with: "SPSSO") }),
            ("no SingleSignOnService", { $0.replacing("HTTP-Redirect", with: "SOAP").replacing("HTTP-POST", with: "PAOS") }),
            ("no https address", { $0.replacing("https://login.example.com/sso\"", with: "http://login.example.com/sso\"") }),
            ("has expired", { $0.replacing("entityID=", with: "validUntil=\"2026-01-01T00:00:00Z\" entityID=") }),
            ("no usable signing certificates", { $0.replacing("use=\"signing\"", with: "use=\"encryption\"") }),
            ("is no time", { $0.replacing("entityID=", with: "validUntil=\"soon\" entityID=") }), ("no SAML metadata", { _ in "<a/>" }),
        ]
        for (word, change) in changes {
            let reason = try await refused(change)
            #expect(reason.contains(word), "\(reason)")
        }
    }

    @Test("a weak key in the metadata is left out and told of")
    func weak() async throws {
        let stage = try await Stage()
        stage.home.state.withLock { $0.certificates = [TestKey.weak.certificate(), TestKey.home.certificate(until: "20250101000000Z")] }
        let found = try await stage.provider.inspect(stage.connection(stage.home), redirectAddress: "https://platform.example/callback")
        #expect(
            found.keys.count == 1 && found.warnings.contains { $0.contains("too short") }
                && found.warnings.contains { $0.contains("ended 2025") })
        #expect(try await stage.come().subject == "1001", "the certificate is a vessel: its own end says nothing of the key")
    }

    @Test("while a provider rolls its keys both sign, and afterwards only the new one")
    func rollover() async throws {
        let stage = try await Stage()
        stage.home.state.withLock { $0.certificates = [TestKey.home.certificate(), TestKey.second.certificate()] }
        let old = try await stage.come().keyID
        stage.say { $0.signer = .second }
        let new = try await stage.come().keyID
        let second = try SigningCertificate(base64: TestKey.second.certificate()).thumbprint
        #expect(old != new && new == second)
        stage.home.state.withLock { $0.certificates = [TestKey.second.certificate()] }
        stage.bench.clock.advance(by: .seconds(61))
        #expect(try await stage.come().keyID == new)
        stage.say { $0.signer = .home }
        #expect(await stage.doubt()?.doubt == .signature)
    }

    @Test("metadata whose source is away is used a while longer, and never beyond its own end")
    func stale() async throws {
        let stage = try await Stage(["metadata_seconds": 60, "metadata_stale_seconds": 600])
        stage.home.state.withLock {
            $0.metadata = { $0.replacing("entityID=", with: "validUntil=\"\((moment + .seconds(400)).iso8601)\" entityID=") }
        }
        _ = try await stage.come()
        stage.home.state.withLock { $0.isAway = true }
        stage.bench.clock.advance(by: .seconds(100))
        #expect(try await stage.come().subject == "1001")
        #expect(stage.bench.log.lines.contains { $0.contains("could not be fetched again") })
        stage.bench.clock.advance(by: .seconds(300))
        await #expect(throws: IdentityProviderError.self) { try await stage.begin() }
    }

    @Test("nothing that a stranger sends makes the plugin fetch")
    func fetches() async throws {
        let stage = try await Stage()
        _ = try await stage.come()
        stage.say { $0.signer = .other }
        for _ in 0..<5 { #expect(await stage.doubt()?.doubt == .signature) }
        #expect(stage.home.state.withLock(\.fetches) == 1)
    }

    @Test("of a federation's list one provider is named")
    func federation() throws {
        func entity(_ id: String) -> String {
            StandIn(id, .home).metadata.replacing("https://login.example.com", with: "https://\(id.dropFirst(8).prefix(3)).example")
        }
        let list = Data(
            "<md:EntitiesDescriptor xmlns:md=\"\(Element.Space.metadata)\">\(entity("https://one.example/s"))\(entity("https://two.example/s"))</md:EntitiesDescriptor>"
                .utf8)
        #expect(try ProviderMetadata(list, entity: "https://two.example/s", now: moment).entityID == "https://two.example/s")
        for name in [nil, "https://six.example/s"] as [String?] {
            #expect(throws: IdentityProviderError.self) { try ProviderMetadata(list, entity: name, now: moment) }
        }
    }

    @Test("a connection's own metadata text serves like fetched metadata, and needs no network")
    func pasted() async throws {
        let stage = try await Stage()
        let connection = stage.connection(stage.home, ["metadata_url": "", "metadata": stage.home.metadata])
        #expect(try await stage.come(.ada, connection).subject == "1001")
        #expect(stage.home.state.withLock(\.fetches) == 0)
        for (settings, word) in [
            (["metadata": stage.home.metadata], "one of them must go"), (["metadata_url": ""], "is missing"), (["preset": "x"], "preset"),
            (["metadata_url": "http://login.example.com/m"], "https"), (["binding": "x"], "binding"), (["entity_id": "a b"], "entity_id"),
            (["metadata_url": "", "metadata": "<a/>"], "no SAML metadata"), (["provider_id": "https://x.example"], "another provider"),
        ] {
            #expect(await stage.misconfigured(stage.connection(stage.home, settings))?.contains(word) == true, "\(word)")
        }
    }
}

@Suite struct RequestTests {
    /// A provider verifies what left by query: the very characters before `&Signature=`.
    @Test(
        "a request by query is signed over what is sent, one by form in its document; the provider's metadata says which",
        arguments: ["auto", "redirect", "post"])
    func signed(_ binding: String) async throws {
        let stage = try await Stage()
        let (_, departure) = try await stage.begin(stage.connection(stage.home, ["binding": binding]))
        let (text, relayState) = try StandIn.request(departure)
        let request = try Document(Data(text.utf8))
        #expect(relayState == "s-1" && request.root["ID"] == "_n-1" && request.root["Version"] == "2.0")
        #expect(request.root["Destination"] == departure.address.split(separator: "?").first.map(String.init))
        let ours = Data(base64Encoded: try OwnKeys([TestKey.ours.pem]).certificates[0]) ?? Data()
        if binding == "post" {
            #expect(departure.address == "https://login.example.com/sso/post")
            #expect(try request.verified("", under: [ours]).covered.root["ID"] == "_n-1")
        } else {
            #expect(departure.address.contains("&SigAlg=") && departure.address.contains("&Signature=") && departure.form.isEmpty)
        }
    }

    @Test("without a key requests leave unsigned, and an inspection says so where the provider wants them signed")
    func unsigned() async throws {
        let stage = try await Stage(keys: [])
        stage.home.state.withLock {
            $0.metadata = { $0.replacing("protocolSupport", with: "WantAuthnRequestsSigned=\"true\" protocolSupport") }
        }
        let (_, departure) = try await stage.begin()
        #expect(!departure.address.contains("Signature"))
        let found = try await stage.provider.inspect(stage.connection(stage.home), redirectAddress: "https://platform.example/callback")
        #expect(found.warnings.contains { $0.contains("wants signed requests") })
    }

    @Test("our metadata names address, keys and what we want, the same at each asking")
    func ours() async throws {
        let stage = try await Stage(keys: [.ours, .second])
        let place = "https://platform.example/api/v1/auth/sso/1"
        let first = try await stage.provider.document(stage.connection(stage.home), redirectAddress: "\(place)/callback")
        let again = try await Stage(keys: [.ours, .second]).provider.document(
            stage.connection(stage.home), redirectAddress: "\(place)/callback")
        #expect(first == again && first.mediaType == "application/samlmetadata+xml")
        let root = try Document(Data(first.text.utf8)).root
        let role = try #require(root.only("SPSSODescriptor", Element.Space.metadata))
        #expect(root["entityID"] == "\(place)/metadata" && role["WantAssertionsSigned"] == "true" && role["AuthnRequestsSigned"] == "true")
        #expect(role.only("AssertionConsumerService", Element.Space.metadata)?["Location"] == "\(place)/callback")
        #expect(role.all("KeyDescriptor", Element.Space.metadata).map { $0["use"] } == ["signing", "encryption", "signing"])
        let named = try await stage.provider.document(
            stage.connection(stage.home, ["entity_id": "urn:platform", "metadata_url": ""]), redirectAddress: "\(place)/callback")
        #expect(named.text.contains("entityID=\"urn:platform\""))
    }

    @Test("a key that cannot be one is refused when the plugin is made, without a word of it")
    func keys() async throws {
        for text in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", TestKey.weak.pem] {
            #expect(throws: PluginRefusal.self) { try OwnKeys([text]) }
        }
        #expect(try OwnKeys([TestKey.ours.pem.replacing("\n", with: "\\n")]).certificates == OwnKeys([TestKey.ours.pem]).certificates)
    }

    @Test("settings that cannot work are refused with a sentence")
    func settings() throws {
        let manifest = try PluginManifest(json: Data(contentsOf: Stage.manifest))
        for given: [String: JSONValue] in [
            ["metadata_url": "https://a.example/m", "metadata_file": "/tmp/m"], ["metadata_url": "http://a.example/m"],
            ["private_origin": "http://a.example"],
        ] {
            let settings = try manifest.settings(from: given).get()
            #expect(throws: PluginRefusal.self) { try SAMLIdentity().validate(settings) }
        }
    }
}
