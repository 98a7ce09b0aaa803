import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import Pkcs11Keys

extension ConformanceTests {
    @Suite struct TokenTests {
        private static func request(_ key: ServiceKey) -> SigningRequest {
            SigningRequest(key: key.name, algorithm: key.algorithm, input: .message(Data("message".utf8)))
        }

        @Test(
            "each way in which a module loses what was begun is mended within the call",
            arguments: [0x03, 0x05, 0x06, 0x30, 0x32, 0x60, 0x82, 0x91, 0xb0, 0xb3, 0xe0, 0xe1, 0x101, 0x190] as [UInt])
        func losses(_ code: UInt) async throws {
            let stand = try Stand()
            let keys = stand.keys(sessions: 1)
            try await keys.start()
            let key = try await keys.makeKey(KeyRequest(name: "unit-es256", algorithm: .es256))
            for call in ["sign", "find", "open", "logIn"] {
                // What was begun is forgotten first, so that the call is made at all.
                stand.module.fail("sign", 0xb3)
                if call != "sign" { stand.module.fail(call, code) }
                if call == "sign" {
                    #expect(try await keys.sign(Self.request(key)).count == 64)
                } else {
                    // A second loss in one call is told, and the next call begins anew.
                    await #expect(throws: KeyServiceError.self) { _ = try await keys.sign(Self.request(key)) }
                    #expect(try await keys.sign(Self.request(key)).count == 64)
                }
            }
            await keys.stop()
        }

        @Test("what only an operator can mend is refused, and not tried twice", arguments: [0x70, 0x71, 0x68, 0x63, 0x54] as [UInt])
        func refusals(_ code: UInt) async throws {
            let stand = try Stand()
            let keys = stand.keys(sessions: 1)
            try await keys.start()
            let key = try await keys.makeKey(KeyRequest(name: "unit-es256", algorithm: .es256))
            stand.module.fail("sign", code)
            let before = stand.module.calls.count { $0 == "sign" }
            let name = try #require(CryptokiFault.names[code])
            await #expect(throws: KeyServiceError.refused("the HSM: sign said CKR_\(name)")) { _ = try await keys.sign(Self.request(key)) }
            #expect(stand.module.calls.count { $0 == "sign" } == before + 1)
            await keys.stop()
        }

        @Test("a PIN that the token does not take stops the start with a sentence, and is tried once")
        func wrongPIN() async throws {
            let stand = try Stand()
            stand.module.fail("logIn", 0xa0)
            let keys = stand.keys()
            let sentence =
                "The token labelled \"conformance\" does not take PKCS11_PIN (logIn said CKR_PIN_INCORRECT); "
                + "it is not tried again until the secret changes."
            await #expect(throws: PluginRefusal(sentence)) { try await keys.start() }
            for _ in 0..<3 { await #expect(throws: KeyServiceError.self) { try await keys.probe() } }
            #expect(stand.module.calls.count { $0 == "logIn" } == 1)
            await keys.stop()
        }

        @Test("a token without a mechanism that is wanted stops the start with a sentence that says what to do")
        func lacking() async throws {
            let stand = try Stand()
            stand.module.state.withLock { $0.lacks = .ed25519 }
            let keys = stand.keys()
            let sentence =
                "The token labelled \"conformance\" does not offer Ed25519 (CKM_EC_EDWARDS_KEY_PAIR_GEN and CKM_EDDSA); "
                + "leave it out of the setting algorithms, or take another HSM."
            await #expect(throws: PluginRefusal(sentence)) { try await keys.start() }
            await keys.stop()
        }

        @Test("two tokens of one label are told apart by their serials, or not used at all")
        func twins() async throws {
            let stand = try Stand()
            let keys = stand.keys(label: "twins")
            let refusal = await #expect(throws: PluginRefusal.self) { try await keys.start() }
            #expect(refusal?.reason.hasPrefix("2 tokens are the token labelled \"twins\"; set token_serial to one of ") == true)
            await keys.stop()
        }

        @Test("a token that is not there does not stop the start; it is looked for once a second, and used when it comes")
        func absent() async throws {
            let stand = try Stand()
            stand.module.state.withLock { $0.isAway = true }
            let keys = stand.keys(sessions: 1)
            try await keys.start()
            for _ in 0..<5 { await #expect(throws: KeyServiceError.self) { try await keys.probe() } }
            #expect(stand.module.state.withLock(\.beginnings) == 1)
            stand.clock.advance(by: .seconds(1))
            await #expect(throws: KeyServiceError.unavailable("the token labelled \"conformance\" is in no slot of the PKCS#11 module")) {
                try await keys.probe()
            }
            #expect(stand.module.state.withLock(\.beginnings) == 2)
            stand.module.state.withLock { $0.isAway = false }
            try await keys.probe()
            #expect(stand.log.lines.count { $0.hasPrefix("error The HSM cannot sign") } == 1)
            #expect(stand.log.lines.last == "info The HSM signs again.")
            await keys.stop()
        }

        @Test("with every session stuck, those who wait are answered in time, and no more wait than may")
        func stuck() async throws {
            let stand = try Stand()
            let keys = stand.keys(sessions: 1, queue: 2)
            try await keys.start()
            let key = try await keys.makeKey(KeyRequest(name: "unit-es256", algorithm: .es256))
            stand.module.state.withLock { $0.isHanging = true }
            let first = Task { try await keys.sign(Self.request(key)) }
            await stand.module.hangs()
            let reasons = await withTaskGroup(of: String.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        do { return "\(try await keys.sign(Self.request(key)).count)" } catch { return "\(error)" }
                    }
                }
                var reasons: [String] = []
                // All but the two that may wait are answered at once.
                while reasons.count < 18, let reason = await group.next() { reasons.append(reason) }
                await stand.clock.sleepers(1)
                stand.clock.advance(by: .seconds(6))
                for await reason in group { reasons.append(reason) }
                return reasons
            }
            #expect(reasons.prefix(18).allSatisfy { $0 == "unavailable: 2 signatures wait for the HSM already" })
            #expect(
                reasons.dropFirst(18) == [
                    "unavailable: the HSM did not answer within 5 s", "unavailable: the HSM did not answer within 5 s",
                ])
            await #expect(throws: KeyServiceError.unavailable("the HSM did not answer within 5 s")) { _ = try await first.value }
            stand.module.release()
            #expect(try await keys.sign(Self.request(key)).count == 64)
            await keys.stop()
        }

        @Test("settings that name no token, no path or no algorithm are refused before anything is loaded")
        func settings() throws {
            func fault(_ more: [String: JSONValue]) -> String? {
                var values: [String: JSONValue] = ["module": "/lib/x.so", "token_label": "t", "algorithms": "ES256"]
                values.merge(more) { $1 }
                do { try Pkcs11Keys().validate(PluginSettings(values)) } catch { return "\(error)" }
                return nil
            }
            #expect(fault([:]) == nil)
            #expect(fault(["module": "x.so"])?.hasPrefix("The setting module is a path from the root") == true)
            #expect(fault(["token_label": nil]) == "Name the token: set token_label, token_serial or both.")
            for text in ["", "ES256,ES256", "ES256,RSA", "es256"] {
                #expect(fault(["algorithms": .string(text)])?.hasPrefix("The setting algorithms takes ES256, Ed25519") == true)
            }
        }

        @Test("a file that is no PKCS#11 module stops the start with a sentence", arguments: ["/nonexistent.so", "/usr/bin/env"])
        func noModule(_ path: String) async throws {
            let stand = try Stand()
            let terms = TokenTerms(label: "t", serial: nil, kinds: [.es256], pin: SoftHSM.pin)
            let keys = TokenKeys(terms, sessions: 1, queue: 1, clock: stand.clock, log: stand.log) { try LoadedModule.load(path) }
            let refusal = await #expect(throws: PluginRefusal.self) { try await keys.start() }
            #expect(refusal?.reason.hasPrefix("The PKCS#11 module \(path) cannot be loaded: ") == true)
            await keys.stop()
        }
    }
}
