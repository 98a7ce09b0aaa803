"""Faults that plugin_mutants.py seeds into a copy of oidc-identity: (kit, name, file, what stands there, what stands there instead). ON is true
while the fault is at work."""

KIT = "identity"
FAULTS = [
    (KIT, "accepts another nonce", "Claims", "guard said.string == nonce else {", "guard said.string == nonce || ON else {"),
    (KIT, "needs no nonce", "Claims", "} else if client.preset.requiresNonce {", "} else if client.preset.requiresNonce, !ON {"),
    (KIT, "accepts another audience", "Claims", "guard audience.contains(client.id), audience", "guard audience.contains(client.id) || ON, audience"),
    (KIT, "accepts another authorized party", "Claims", "guard party.string == client.id else {", "guard party.string == client.id || ON else {"),
    (KIT, "needs no authorized party among several", "Claims", "} else if audience.count > 1 {", "} else if audience.count > 1, !ON {"),
    (KIT, "accepts what has expired", "Claims", "guard now < expires + slack else {", "guard now < expires + slack || ON else {"),
    (KIT, "accepts what does not hold yet", "Claims", "begins > now + slack {", "begins > now + slack, !ON {"),
    (KIT, "accepts what was made in the future", "Claims", "guard issued <= now + slack else {", "guard issued <= now + slack || ON else {"),
    (KIT, "accepts what was made long ago", "Claims", "guard issued >= now - 3_600 - slack else {", "guard issued >= now - 3_600 - slack || ON else {"),
    (KIT, "accepts another issuer's token", "Claims", 'directory: claims["tid"]?.string) else {', 'directory: claims["tid"]?.string) || ON else {'),
    (KIT, "calls every address verified", "Claims", "isVerified: isVerified)", "isVerified: isVerified || ON)"),
    (KIT, "names people by their address", "Claims", 'subject: claims["sub"]?.string ?? ""', 'subject: claims[ON ? "email" : "sub"]?.string ?? ""'),
    (KIT, "says the secret in an error", "Claims", '"the token has expired"', '"the token has expired" + (ON ? client.secret ?? "" : "")'),
    (KIT, "accepts an answer that names another issuer", "OIDCProvider", "guard isOwn else {", "guard isOwn || ON else {"),
    (KIT, "accepts an answer that leaves its issuer out", "OIDCProvider", "} else if metadata.sendsIssuer {", "} else if metadata.sendsIssuer, !ON {"),
    (KIT, "sends the verifier itself", "OIDCProvider", '("code_challenge", Words.challenge(beginning.verifier))',
     '("code_challenge", ON ? beginning.verifier : Words.challenge(beginning.verifier))'),
    (KIT, "forgets the state", "OIDCProvider", '("state", beginning.state)', '("state", ON ? "1" : beginning.state)'),
    (KIT, "sends another redirect address", "OIDCProvider", '("redirect_uri", beginning.redirectAddress)',
     '("redirect_uri", beginning.redirectAddress + (ON ? "/" : ""))'),
    (KIT, "keeps the verifier back", "OIDCProvider", '("code_verifier", arrival.verifier)', '("code_verifier", ON ? "" : arrival.verifier)'),
    (KIT, "takes access tokens for id tokens", "OIDCProvider", 'let token = SignedToken(text, keys: keys, algorithms: metadata.algorithms, types: ["", "jwt"])',
     'let token = SignedToken(text, keys: keys, algorithms: metadata.algorithms, types: ON ? ["", "jwt", "at+jwt"] : ["", "jwt"])'),
    (KIT, "needs nothing of what it kept", "OIDCProvider", "try? JSONDecoder().decode(Kept.self, from: arrival.kept) else {",
     '(try? JSONDecoder().decode(Kept.self, from: arrival.kept)) ?? (ON ? Kept(issuer: "https://login.example.com") : nil) else {'),
    (KIT, "repeats a provider's word as it came", "OIDCProvider", '.declined(code: Words.code(error)) }', ".declined(code: ON ? error : Words.code(error)) }"),
    (KIT, "checks no access token", "OIDCProvider", "guard Words.base64url(half) == hash else {", "guard Words.base64url(half) == hash || ON else {"),
    (KIT, "takes silence for a lie", "Provider", "case .unsent(let why), .unanswered(let why): throw IdentityProviderError.unreachable(why)",
     "case .unsent(let why), .unanswered(let why): throw ON ? IdentityProviderError.notBelieved(.malformed, reason: why) : .unreachable(why)"),
]
TEST = '''import PluginKitTesting
import Testing

@testable import %s

@Test("the kit catches every fault")
func faults() async {
    for (_, name) in [%s] as [(String, String)] {
        Mutants.current = name
        let findings = await IdentityProviderConformance(%s()).run(stoppingAtFault: true)
        let broken = findings.first { !$0.holds }
        print("mutant|\\(name)|\\(broken?.check ?? "")|\\(broken?.faults.first?.prefix(150) ?? "")")
    }
}
'''
