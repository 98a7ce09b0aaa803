import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import SAMLIdentity

@Suite struct ConformanceTests {
    @Test("the plugin passes the conformance kit for identity providers")
    func conformance() async {
        for finding in await IdentityProviderConformance(SAMLSubject()).run() {
            #expect(finding.holds, "\(finding.check): \(finding.faults.joined(separator: " "))")
        }
    }
}

@Suite struct AnswerTests {
    @Test("each cheat is refused for what it is", arguments: Cheat.all.map(\.name))
    func cheat(name: String) async throws {
        let cheat = try #require(Cheat.all.first { $0.name == name })
        let stage = try await Stage()
        stage.home.state.withLock { cheat.arm(&$0) }
        let found = await stage.doubt()
        #expect(found?.doubt == cheat.doubt && found?.reason.contains(cheat.reason) == true, "\(String(describing: found))")
    }

    @Test(
        "the wrapped answers hold what they claim: without the wrapping they sign in", arguments: [Said.Signed.assertion, .response, .both])
    func signed(_ signed: Said.Signed) async throws {
        let stage = try await Stage()
        stage.say { $0.signed = signed }
        #expect(try await stage.come().subject == "1001")
    }

    @Test("an assertion carries names, groups, context, the session's end and the key that signed")
    func assertion() async throws {
        let stage = try await Stage()
        stage.say { $0.sessionEnds = moment + .seconds(900) }
        let assertion = try await stage.come()
        #expect(assertion.issuer == "https://login.example.com/saml")
        #expect(assertion.addresses == [IdentityAddress("ada@example.com", isVerified: true)])
        #expect([assertion.givenName, assertion.familyName] == ["Ada", "Lovelace"] && assertion.groups == ["engineers", "everybody"])
        #expect(assertion.sessionEndsAt == moment + .seconds(900) && assertion.authenticatedAt == moment - .seconds(5))
        #expect(assertion.contextClass?.hasSuffix(":PasswordProtectedTransport") == true && assertion.methods == [])
        let thumbprint = try SigningCertificate(base64: TestKey.home.certificate()).thumbprint
        #expect(assertion.keyID == thumbprint)
    }

    @Test("a clock that is off by less than the leeway changes nothing")
    func skew() async throws {
        for change: @Sendable (inout Said) -> Void in [
            { $0.notAfter = moment - .seconds(59) }, { $0.notBefore = moment + .seconds(59) },
            { $0.confirmedUntil = moment - .seconds(59) },
            { $0.issued = moment + .seconds(59) },
        ] {
            let stage = try await Stage()
            stage.say(change)
            #expect(try await stage.come().subject == "1001")
        }
    }

    @Test("an encrypted assertion is read with any key of ours, by GCM and, where it is accepted, by CBC")
    func encrypted() async throws {
        for name in ["2009/xmlenc11#aes128-gcm", "2009/xmlenc11#aes256-gcm", "2001/04/xmlenc#aes128-cbc", "2001/04/xmlenc#aes256-cbc"] {
            for signed in [Said.Signed.assertion, .response, .both] {
                let stage = try await Stage(keys: [.second, .ours])
                stage.say {
                    $0.encryption = "http://www.w3.org/\(name)"
                    $0.signed = signed
                }
                #expect(try await stage.come().subject == "1001", "\(name) \(signed)")
            }
        }
        let strict = try await Stage(Stage.impatient.merging(["accept_cbc": false]) { $1 })
        strict.say { $0.encryption = "http://www.w3.org/2001/04/xmlenc#aes256-cbc" }
        #expect(await strict.doubt()?.reason.contains("AES-GCM") == true)
        let without = try await Stage(keys: [])
        without.say { $0.encryption = "http://www.w3.org/2009/xmlenc11#aes256-gcm" }
        #expect(await without.misconfigured()?.contains("SAML_KEY") == true)
    }

    @Test("an answer serves once, also after a restart, and is forgotten once it could not serve any more")
    func replay() async throws {
        let stage = try await Stage()
        let (beginning, departure) = try await stage.begin()
        let parameters = try stage.home.consent(departure, .ada)
        _ = try await stage.provider.complete(stage.arrival(beginning, departure, parameters))
        await #expect(throws: IdentityProviderError.notBelieved(.replay, reason: "the assertion was used before")) {
            try await stage.provider.complete(stage.arrival(beginning, departure, parameters))
        }
        #expect(try await stage.bench.space.keys(prefix: "used/", after: nil, limit: 10).count == 1)
        stage.bench.clock.advance(by: .seconds(4_000))
        stage.say { said in
            let late = moment + .seconds(4_000)
            (said.issued, said.notAfter, said.confirmedUntil) = (late, late + .seconds(60), late + .seconds(60))
        }
        _ = try await stage.come()
        #expect(try await stage.bench.space.keys(prefix: "used/", after: nil, limit: 10).count == 1)
    }

    @Test("a refused answer uses nothing up")
    func refused() async throws {
        let stage = try await Stage()
        stage.say { $0.audience = "https://evil.example" }
        #expect(await stage.doubt() != nil)
        #expect(try await stage.bench.space.keys(prefix: "", after: nil, limit: 10).isEmpty)
    }

    @Test("a provider's no has a code of plain letters, whatever it says")
    func declined() async throws {
        for (status, code) in [
            ("urn:oasis:names:tc:SAML:2.0:status:Responder", "responder"), ("urn:x:<b>Authn&amp;Failed</b>", "unknown"), ("", "unknown"),
        ] {
            let stage = try await Stage()
            stage.say { $0.status = status.replacing("<", with: "&lt;") }
            do {
                _ = try await stage.come()
                Issue.record("somebody came in")
            } catch IdentityProviderError.declined(let said) {
                #expect(said.allSatisfy { $0.isLowercase || $0 == "_" } && (said == code || code == "unknown"))
            }
        }
    }

    @Test("who is to sign in anew must have done so")
    func fresh() async throws {
        let stage = try await Stage()
        stage.say { $0.authenticated = moment - .seconds(61) }
        #expect(try await stage.come().subject == "1001")
        let found = await stage.doubt(isFresh: true)
        #expect(found?.doubt == .time && found?.reason.contains("anew") == true)
        #expect(stage.home.state.withLock { $0.requests.map { $0["ForceAuthn"] } } == [nil, "true"])
    }
}

@Suite struct PersonTests {
    @Test("a name that passes on is none: transient and mail addresses are refused with what to do")
    func names() async throws {
        for (format, name, word) in [
            ("urn:oasis:names:tc:SAML:2.0:nameid-format:transient", "_x1", "transient"),
            ("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", "ada@example.com", "mail address"),
            ("urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", "ada@example.com", "mail address"),
        ] {
            let stage = try await Stage()
            stage.say {
                $0.format = format
                $0.nameID = name
            }
            #expect(await stage.misconfigured()?.contains(word) == true)
        }
        let stage = try await Stage()
        stage.say {
            $0.format = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
            $0.nameID = "ada@example.com"
        }
        #expect(try await stage.come(.ada, stage.connection(stage.home, ["name_id": "mail"])).subject == "ada@example.com")
        #expect(try await stage.come(.ada, stage.connection(stage.home, ["preset": "google"])).subject == "ada@example.com")
    }

    @Test("an attribute may name the person instead, if there is one of it")
    func subjectAttribute() async throws {
        let stage = try await Stage()
        let object = "http://schemas.microsoft.com/identity/claims/objectidentifier"
        stage.say {
            $0.format = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
            $0.attributes.append((object, ["7d5f-1"]))
        }
        #expect(try await stage.come(.ada, stage.connection(stage.home, ["preset": "entra"])).subject == "7d5f-1")
        #expect(await stage.misconfigured(stage.connection(stage.home, ["subject_attribute": "uid"]))?.contains("no uid") == true)
        stage.say { $0.attributes.append(("uid", ["1", "2"])) }
        #expect(await stage.misconfigured(stage.connection(stage.home, ["subject_attribute": "uid"]))?.contains("more than one") == true)
    }

    @Test("more than one factor is told where the provider says so")
    func factors() async throws {
        let stage = try await Stage()
        stage.say { $0.context = "https://refeds.org/profile/mfa" }
        #expect(try await stage.come().methods == ["mfa"])
        stage.say { $0.attributes.append((Preset.methods, ["http://schemas.microsoft.com/claims/multipleauthn"])) }
        #expect(try await stage.come().methods.first == "mfa")
    }

    @Test("an address is verified where an attribute says so, or where the operator does of one's own provider")
    func verified() async throws {
        let stage = try await Stage()
        #expect(
            try await stage.come(.ada, stage.connection(stage.home, ["mail_verified_attribute": ""])).addresses.map(\.isVerified) == [false]
        )
        let offering = try await Stage(["metadata_url": "https://login.example.com/metadata", "mail_is_verified": true, "label": "Home"])
        #expect(offering.provider.profile.offered == [OfferedConnection(id: "saml", label: "Home")])
        #expect(try await offering.come(.eve, IdentityConnection(id: "saml", isOffered: true)).addresses.map(\.isVerified) == [true])
    }
}
