import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import OIDCIdentity

@Suite struct ConformanceTests {
    @Test("the plugin passes the conformance kit for identity providers")
    func conformance() async {
        for finding in await IdentityProviderConformance(OIDCSubject()).run() {
            #expect(finding.holds, "\(finding.check): \(finding.faults.joined(separator: " "))")
        }
    }
}

@Suite struct TokenTests {
    @Test("each cheat is refused for what it is", arguments: Cheat.all.map(\.0))
    func cheat(name: String) async throws {
        let (_, doubt, change) = try #require(Cheat.all.first { $0.0 == name })
        let stage = try await Stage()
        stage.home.state.withLock { change(&$0) }
        #expect(await stage.doubt() == doubt)
    }

    @Test("a clock that is off by less than the leeway changes nothing")
    func skew() async throws {
        for change: @Sendable (inout [String: JSONValue]) -> Void in [
            { $0["exp"] = .int(moment.seconds - 59) }, { $0["iat"] = .int(moment.seconds + 59) }, { $0["nbf"] = .int(moment.seconds + 59) },
        ] {
            let stage = try await Stage()
            stage.home.state.withLock { $0.claims = change }
            #expect(try await stage.come().subject == "1001")
        }
    }

    @Test("an assertion carries names, groups, methods and the key that signed")
    func assertion() async throws {
        let assertion = try await Stage().come()
        #expect(assertion.issuer == "https://login.example.com")
        #expect(assertion.addresses == [IdentityAddress("ada@example.com", isVerified: true)])
        #expect([assertion.givenName, assertion.familyName] == ["Ada", "Lovelace"])
        #expect(assertion.groups == ["engineers", "everybody"])
        #expect(assertion.methods == ["pwd", "mfa"])
        #expect(assertion.keyID == "pretend-one of https://login.example.com")
    }
}

@Suite struct DiscoveryTests {
    @Test("a rotated key is fetched once, and a stranger's key id makes no second fetch within a minute")
    func rotation() async throws {
        let stage = try await Stage()
        _ = try await stage.come()
        let fresh = PretendSignatures.Key(id: "key-2", secret: "two")
        stage.home.state.withLock { state in
            state.keys = [fresh]
            state.signer = fresh
        }
        #expect(try await stage.come().keyID == "pretend-two")
        #expect(stage.home.state.withLock(\.keyFetches) == 2)
        stage.home.state.withLock { $0.signer = PretendSignatures.Key(id: "key-9", secret: "stranger") }
        for _ in 0..<5 { #expect(await stage.doubt() == .signature) }
        #expect(stage.home.state.withLock(\.keyFetches) == 2)
        stage.bench.clock.advance(by: .seconds(60))
        #expect(await stage.doubt() == .signature)
        #expect(stage.home.state.withLock(\.keyFetches) == 3)
    }

    @Test("a discovery document of another issuer, or with endpoints in the clear, is refused")
    func discovery() async throws {
        for change: @Sendable (inout [String: JSONValue]) -> Void in [
            { $0["issuer"] = "https://login.other.example" }, { $0["token_endpoint"] = "http://login.example.com/token" },
            { $0["jwks_uri"] = nil }, { $0["id_token_signing_alg_values_supported"] = ["HS256", "none"] },
            { $0["authorization_endpoint"] = "https://login.example.com/authorize#x" },
        ] {
            let stage = try await Stage()
            stage.home.state.withLock { $0.discovery = change }
            await #expect { try await stage.begin() } throws: { error in
                if case .misconfigured = error as? IdentityProviderError { true } else { false }
            }
        }
    }

    @Test("an address comes from user info where the token has none, and only from the same subject's")
    func userInfo() async throws {
        let stage = try await Stage()
        stage.home.state.withLock { state in
            state.claims = {
                $0["email"] = nil; $0["email_verified"] = nil
            }
            state.userInfo = ["sub": "1001", "email": "ada@example.com", "email_verified": true]
        }
        #expect(try await stage.come().addresses == [IdentityAddress("ada@example.com", isVerified: true)])
        stage.home.state.withLock { $0.userInfo = ["sub": "1002", "email": "ada@example.com", "email_verified": true] }
        #expect(await stage.doubt() == .binding)
    }

    @Test("a secret goes by header, or by form where the provider knows no other way")
    func clientAuthentication() async throws {
        let stage = try await Stage()
        _ = try await stage.come()
        #expect(stage.home.state.withLock { $0.headers[0]["authorization"]?.hasPrefix("Basic ") == true })
        let posting = try await Stage()
        posting.home.state.withLock { $0.discovery = { $0["token_endpoint_auth_methods_supported"] = ["client_secret_post"] } }
        _ = try await posting.come()
        #expect(posting.home.state.withLock { $0.headers[0]["authorization"] == nil })
    }
}

@Suite struct PresetTests {
    @Test("what the operator's settings name is offered, in order, and nothing else")
    func offered() async throws {
        #expect(try await Stage().provider.profile.offered.isEmpty)
        let stage = try await Stage(
            [
                "google_client_id": "g", "linkedin_client_id": "l", "issuer": "https://login.example.com", "client_id": "platform-1",
                "label": "Home",
            ],
            secrets: ["OIDC_CLIENT_SECRET": [StandIn.secret]])
        #expect(stage.provider.profile.offered.map(\.id) == ["google", "linkedin", "sso"])
        #expect(try await stage.come(.ada, IdentityConnection(id: "sso", isOffered: true)).subject == "1001")
    }

    @Test("settings that cannot work are refused with a sentence")
    func refused() throws {
        let manifest = try PluginManifest(json: Data(contentsOf: Stage.manifest))
        for given: [String: JSONValue] in [
            ["issuer": "https://login.example.com"], ["issuer": "http://login.example.com", "client_id": "x"], ["okta_client_id": "x"],
            ["microsoft_tenant": "evil.example/x"],
        ] {
            let settings = try manifest.settings(from: given).get()
            #expect(throws: PluginRefusal.self) { try OIDCIdentity().validate(settings) }
        }
    }

    @Test("Microsoft's many directories each sign under their own issuer, and only an id fits the template")
    func microsoft() throws {
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0"
        let document: JSONValue = [
            "issuer": .string(template), "authorization_endpoint": "https://login.microsoftonline.com/a",
            "token_endpoint": "https://login.microsoftonline.com/t", "jwks_uri": "https://login.microsoftonline.com/k",
        ]
        let metadata = try Metadata(document, asked: "https://login.microsoftonline.com/organizations/v2.0")
        let directory = "72f988bf-86f1-41af-91ab-2d7cd011db47"
        #expect(metadata.isIssuer(template.replacing("{tenantid}", with: directory), directory: directory))
        #expect(!metadata.isIssuer(template.replacing("{tenantid}", with: directory), directory: "72f988bf-86f1-41af-91ab-2d7cd011db48"))
        #expect(!metadata.isIssuer(template.replacing("{tenantid}", with: "evil"), directory: "evil"))
        #expect(!metadata.isIssuer(template, directory: nil))
        #expect(throws: IdentityProviderError.self) { try Metadata(document, asked: "https://login.example.com") }
    }

    @Test("a tenant's connection to Microsoft names one directory, never all")
    func oneDirectory() throws {
        for directory in ["", "common", "organizations", "x/../y"] {
            let connection = IdentityConnection(
                id: "c", isOffered: false, settings: ["preset": "microsoft", "directory": directory, "client_id": "x"])
            #expect(throws: IdentityProviderError.self) { try Client(connection) }
        }
    }

    @Test("Microsoft's word for a verified address counts for Microsoft only")
    func edov() async throws {
        let stage = try await Stage()
        stage.home.state.withLock {
            $0.claims = {
                $0["email_verified"] = nil; $0["xms_edov"] = true
            }
        }
        #expect(try await stage.come().addresses.map(\.isVerified) == [false])
    }
}
