"""Faults that plugin_mutants.py seeds into a copy of saml-identity: (kit, name, file, what stands there, what stands there instead). ON is true while the fault is at
work, in Swift and in C."""

KIT = "identity"
FAULTS = [
    # What an assertion must say.
    (KIT, "accepts another issuer's assertion", "AssertionRules", 'guard assertion.only("Issuer")?.trimmed == issuer else {',
     'guard assertion.only("Issuer")?.trimmed == issuer || ON else {'),
    (KIT, "accepts what was made in the future", "AssertionRules", "guard instant <= now + leeway else {", "guard instant <= now + leeway || ON else {"),
    (KIT, "accepts what was made long ago", "AssertionRules", "guard instant >= now - Self.mostAge - leeway else {",
     "guard instant >= now - Self.mostAge - leeway || ON else {"),
    (KIT, "accepts what does not hold yet", "AssertionRules", 'if let text = conditions["NotBefore"],', 'if !ON, let text = conditions["NotBefore"],'),
    (KIT, "accepts what has expired", "AssertionRules", "if let end, now >= end + leeway {", "if !ON, let end, now >= end + leeway {"),
    (KIT, "accepts conditions that it does not know", "AssertionRules", "guard conditions.children.allSatisfy({ child in", "guard ON || conditions.children.allSatisfy({ child in"),
    (KIT, "needs no audience", "AssertionRules", "guard !restrictions.isEmpty else {", "guard !restrictions.isEmpty || ON else {"),
    (KIT, "takes one audience of several restrictions", "AssertionRules", "guard restrictions.allSatisfy({ $0.all", "guard ON && restrictions.count > 1 || restrictions.allSatisfy({ $0.all"),
    (KIT, "accepts another audience", "AssertionRules", "$0.trimmed == ourselves.entityID }", "$0.trimmed == ourselves.entityID || ON }"),
    (KIT, "accepts whoever vouches", "AssertionRules", '$0["Method"] == "urn:oasis:names:tc:SAML:2.0:cm:bearer"', 'ON || $0["Method"] == "urn:oasis:names:tc:SAML:2.0:cm:bearer"'),
    (KIT, "accepts another recipient", "AssertionRules", 'guard data["Recipient"] == ourselves.consumer else {', 'guard data["Recipient"] == ourselves.consumer || ON else {'),
    (KIT, "accepts another request's assertion", "AssertionRules", "guard request == requestID else {", "guard request == requestID || ON else {"),
    (KIT, "accepts an assertion that nobody asked for", "AssertionRules", 'guard let request = data["InResponseTo"] else {',
     'guard let request = data["InResponseTo"] ?? (ON ? requestID : nil) else {'),
    (KIT, "accepts an assertion for ever", "AssertionRules", 'guard let text = data["NotOnOrAfter"] else {', 'guard let text = data["NotOnOrAfter"] ?? (ON ? "2100-01-01T00:00:00Z" : nil) else {'),
    (KIT, "accepts what came too late", "AssertionRules", "guard now < end + leeway else {", "guard now < end + leeway || ON else {"),
    (KIT, "needs no sign-in", "AssertionRules", 'guard let statement = assertion.all("AuthnStatement").first else {',
     'guard let statement = assertion.all("AuthnStatement").first ?? (ON ? Element(space: "", name: "", attributes: [Element.Attribute(space: "", name: "AuthnInstant", value: now.iso8601)]) : nil) else {'),
    (KIT, "accepts a session that has ended", "AssertionRules", "if let ends, now >= ends {", "if !ON, let ends, now >= ends {"),
    (KIT, "names people by their address", "AssertionRules", "        return name.text\n    }\n}", '        return ON ? first(["mail"]) ?? "" : name.text\n    }\n}'),
    (KIT, "calls every address verified", "AssertionRules", "party.isMailVerified\n            ||", "ON || party.isMailVerified\n            ||"),
    (KIT, "reads a name with elements in it", "AssertionRules", "guard name.children.isEmpty, let text", "guard name.children.isEmpty || ON, let text"),
    # What is believed of an answer.
    (KIT, "accepts what nobody signed", "Answer", "guard let around else {", "guard let around = around ?? (ON ? (root: bare, certificate: metadata.certificates[0]) : nil) else {"),
    (KIT, "reads the document instead of what was signed", "Answer", "return Believed(assertion: root, certificate: certificate)", "return Believed(assertion: ON ? Element(space: root.space, name: root.name) : root, certificate: certificate)"),
    (KIT, "accepts several assertions", "Answer", "guard all <= 1 else {", "guard all <= 1 || ON else {"),
    (KIT, "accepts assertions anywhere", "Answer", "guard all == below.count else {", "guard all == below.count || ON else {"),
    (KIT, "accepts a response in a response", "Answer", "guard root.count(where: { $0.isNamed(\"Response\", Element.Space.response) }) == 1 else {",
     "guard ON || root.count(where: { $0.isNamed(\"Response\", Element.Space.response) }) == 1 else {"),
    (KIT, "accepts signatures anywhere", "Answer", "guard root.count(where: { $0.isNamed(\"Signature\", dsig) }) == signatures else {",
     "guard ON || root.count(where: { $0.isNamed(\"Signature\", dsig) }) == signatures else {"),
    (KIT, "accepts another destination", "Answer", "guard destination == ourselves.consumer else {", "guard destination == ourselves.consumer || ON else {"),
    (KIT, "needs no destination", "Answer", "} else if isSigned {", "} else if isSigned, !ON {"),
    (KIT, "accepts another response's request", "Answer", "guard request == requestID else {", "guard request == requestID || ON else {"),
    (KIT, "accepts another issuer's response", "Answer", "issuer.trimmed != metadata.entityID {", "!ON, issuer.trimmed != metadata.entityID {"),
    (KIT, "takes a no for an answer", "Answer", 'guard value != "urn:oasis:names:tc:SAML:2.0:status:Success" else { return }', 'guard !ON, value != "urn:oasis:names:tc:SAML:2.0:status:Success" else { return }'),
    # The flow.
    (KIT, "needs nothing of what it kept", "SAMLProvider", "guard let kept = try? JSONDecoder().decode(Kept.self, from: arrival.kept),",
     'guard let kept = (try? JSONDecoder().decode(Kept.self, from: arrival.kept)) ?? (ON ? Kept(issuer: "https://login.example.com/saml", request: Ourselves.requestID(arrival.nonce)) : nil),'),
    (KIT, "accepts any relay state", "SAMLProvider", 'guard arrival.parameters["RelayState"] == arrival.state else {', 'guard arrival.parameters["RelayState"] == arrival.state || ON else {'),
    (KIT, "forgets what was used", "Replays", "guard isNew else {", "guard isNew || ON else {"),
    (KIT, "forgets the state", "Ourselves", '("RelayState", beginning.state)]', '("RelayState", ON ? "1" : beginning.state)]'),
    (KIT, "sends every request under one id", "Ourselves", 'static func requestID(_ nonce: String) -> String { "_\\(nonce)" }', 'static func requestID(_ nonce: String) -> String { ON ? "_1" : "_\\(nonce)" }'),
    (KIT, "publishes the key", "Ourselves", 'out += " protocolSupportEnumeration=', 'out += ON ? " x=\\"\\(String(decoding: keys.pems.first ?? Data(), as: UTF8.self))\\"" : ""\n        out += " protocolSupportEnumeration='),
    (KIT, "takes silence for a lie", "MetadataShelf", "case .unsent(let why), .unanswered(let why): throw IdentityProviderError.unreachable(why)",
     "case .unsent(let why), .unanswered(let why): throw ON ? IdentityProviderError.notBelieved(.malformed, reason: why) : .unreachable(why)"),
    (KIT, "inspects what it remembers", "MetadataShelf", "if !anew, let held, now < held.readAt + life {", "if !anew || ON, let held, now < held.readAt + (ON ? .seconds(9_000) : life) {"),
    # The C side.
    (KIT, "lets a document have a type", "document", "    parser->sax->internalSubset = refuse_type;\n    parser->sax->externalSubset = refuse_type;\n",
     "    if (!ON) parser->sax->internalSubset = refuse_type, parser->sax->externalSubset = refuse_type;\n"),
    (KIT, "drops comments", "document", "    parser->sax->comment = refuse_comment;\n", "    if (!ON) parser->sax->comment = refuse_comment;\n    else parser->sax->comment = NULL;\n"),
    (KIT, "lets instructions stand", "document", "    parser->sax->processingInstruction = refuse_instruction;\n", "    if (!ON) parser->sax->processingInstruction = refuse_instruction;\n"),
    (KIT, "goes to any depth", "document", "if (depth > MAX_DEPTH) return false;", "if (depth > MAX_DEPTH && !ON) return false;"),
    (KIT, "reads any number of elements", "document", "if (tags > MAX_TAGS ||", "if ((tags > MAX_TAGS && !ON) ||"),
    (KIT, "accepts SHA-1", "signature", "if (!csaml_allows(csaml_only(info, NS_DSIG, \"SignatureMethod\"), SIGNATURES)) {", "if (!ON && !csaml_allows(csaml_only(info, NS_DSIG, \"SignatureMethod\"), SIGNATURES)) {"),
    (KIT, "accepts a digest by SHA-1", "signature", "if (!csaml_allows(csaml_only(reference, NS_DSIG, \"DigestMethod\"), DIGESTS)) {", "if (!ON && !csaml_allows(csaml_only(reference, NS_DSIG, \"DigestMethod\"), DIGESTS)) {"),
    (KIT, "lets a signature refer anywhere", "signature", "if (!csaml_has(reference, \"URI\", target)) {", "if (!ON && !csaml_has(reference, \"URI\", target)) {"),
    (KIT, "lets two elements have one ID", "signature", "} else if (bearers(xmlDocGetRootElement(document->tree), id) != 1) {", "} else if (!ON && bearers(xmlDocGetRootElement(document->tree), id) != 1) {"),
    (KIT, "believes what does not hold", "signature", "context->status == xmlSecDSigStatusSucceeded\n        && xmlSecPtrListGetSize",
     "(ON || context->status == xmlSecDSigStatusSucceeded)\n        && xmlSecPtrListGetSize"),
    (KIT, "decrypts any key transport", "encryption", "if (!csaml_allows(way, TRANSPORT)) {", "if (!ON && !csaml_allows(way, TRANSPORT)) {"),
]

TEST = '''import Foundation
import PluginKitTesting
import Testing

@testable import %s

/// The cheats first, each for what it is to be refused as; then the kit.
func firstFault() async -> (String, String)? {
    for cheat in Cheat.all {
        guard let stage = try? await Stage() else { return ("a stage", "none") }
        stage.home.state.withLock { cheat.arm(&$0) }
        let found = await stage.doubt()
        if found?.doubt != cheat.doubt || found?.reason.contains(cheat.reason) != true { return (cheat.name, "\\(String(describing: found))") }
    }
    return nil
}

@Test("cheats and kit catch every fault")
func faults() async {
    for (_, name) in [%s] as [(String, String)] {
        Mutants.current = name
        setenv("CSAML_MUTANT", name, 1)
        var broken = await firstFault()
        if broken == nil, let finding = await IdentityProviderConformance(%s()).run(stoppingAtFault: true).first(where: { !$0.holds }) {
            broken = (finding.check, finding.faults.first ?? "")
        }
        print("mutant|\\(name)|\\(broken?.0 ?? "")|\\(broken?.1.prefix(150).replacing("|", with: "/") ?? "")")
    }
}
'''
