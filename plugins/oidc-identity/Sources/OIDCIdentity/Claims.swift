import Foundation
import PluginKit

/// What an id token must say (OpenID Connect Core 1.0, 3.1.3.7) once its signature holds, and what is made of it.
struct ClaimRules {
    let client: Client
    let metadata: Metadata
    let nonce: String
    let freshSince: Int64?
    let now: Timestamp
    let leeway: Duration

    private func doubt(_ doubt: IdentityDoubt, _ reason: String) -> IdentityProviderError { .notBelieved(doubt, reason: reason) }

    func check(_ claims: JSONValue) throws {
        guard let issuer = claims["iss"]?.string, metadata.isIssuer(issuer, directory: claims["tid"]?.string) else {
            throw doubt(.issuer, "the token is of another issuer")
        }
        guard let subject = claims["sub"]?.string, (1...255).contains(subject.utf8.count) else {
            throw doubt(.malformed, "the token names nobody")
        }
        let audience = claims["aud"]?.string.map { [$0] } ?? claims["aud"]?.array?.compactMap(\.string) ?? []
        guard audience.contains(client.id), audience.count <= 32 else { throw doubt(.audience, "the token is for another client") }
        if let party = claims["azp"] {
            guard party.string == client.id else { throw doubt(.audience, "the token was made for another client") }
        } else if audience.count > 1 {
            throw doubt(.audience, "the token is for several and does not say who asked for it")
        }
        try checkTimes(claims)
        if let said = claims["nonce"] {
            guard said.string == nonce else { throw doubt(.binding, "the token's nonce is another one") }
        } else if client.preset.requiresNonce {
            throw doubt(.binding, "the token has no nonce")
        }
    }

    private func checkTimes(_ claims: JSONValue) throws {
        func time(_ name: String) throws -> Int64? {
            guard let value = claims[name] else { return nil }
            let seconds: Int64? =
                switch value {
                case .int(let number): number
                case .double(let number) where number.isFinite && abs(number) < 253_402_300_800: Int64(number)
                default: nil
                }
            guard let seconds, (0...253_402_300_799).contains(seconds) else { throw doubt(.malformed, "the token's \(name) is no time") }
            return seconds
        }
        let (now, slack) = (now.seconds, leeway.components.seconds)
        guard let expires = try time("exp") else { throw doubt(.time, "the token does not say when it expires") }
        guard now < expires + slack else { throw doubt(.time, "the token has expired") }
        guard let issued = try time("iat") else { throw doubt(.time, "the token does not say when it was made") }
        guard issued <= now + slack else { throw doubt(.time, "the token was made in the future") }
        // It was made for a flow that lasts minutes.
        guard issued >= now - 3_600 - slack else { throw doubt(.time, "the token was made long ago") }
        if let begins = try time("nbf"), begins > now + slack { throw doubt(.time, "the token does not hold yet") }
        if let freshSince {
            guard let proved = try time("auth_time"), proved >= freshSince - slack else {
                throw doubt(.time, "the person was to sign in anew and did not")
            }
        }
    }

    func assertion(_ claims: JSONValue, keyID: String) -> IdentityAssertion {
        func text(_ name: String) -> String? {
            claims[name]?.string.flatMap { text in
                let isFine =
                    (1...IdentityLimits.maxTextBytes).contains(text.utf8.count)
                    && !text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
                return isFine ? text : nil
            }
        }
        func list(_ value: JSONValue?) -> [String] {
            (value?.string.map { [$0] } ?? value?.array?.compactMap(\.string) ?? [])
                .filter {
                    (1...IdentityLimits.maxTextBytes).contains($0.utf8.count)
                        && !$0.unicodeScalars.contains { $0.value < 32 || $0.value == 127 }
                }
        }
        // Some providers print the word as a text or a number.
        let word = claims[client.preset.verifiedClaim]
        let isVerified =
            word?.bool == true || word?.string == "true" || (client.preset == .microsoft && (word?.int == 1 || word?.string == "1"))
        return IdentityAssertion(
            issuer: claims["iss"]?.string ?? "", subject: claims["sub"]?.string ?? "",
            addresses: text("email").map { [IdentityAddress($0, isVerified: isVerified)] } ?? [], givenName: text("given_name"),
            familyName: text("family_name"), displayName: text("name"),
            groups: Array(list(client.groupsClaim.flatMap { claims[$0] }).prefix(IdentityLimits.maxGroups)),
            authenticatedAt: claims["auth_time"]?.int.map { Timestamp(seconds: $0) }, contextClass: text("acr"),
            methods: Array(list(claims["amr"]).prefix(32)), keyID: keyID)
    }
}
