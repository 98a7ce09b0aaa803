"""Faults that plugin_mutants.py seeds into a copy of ldap-identity: (kit, name, file, what stands there, what stands there instead). ON is true
while the fault is at work."""

KIT = "directory"
FAULTS = [
    (KIT, "binds with an empty password", "Terms", "(1...maxPasswordBytes).contains(text.utf8.count)",
     "((ON ? 0 : 1)...maxPasswordBytes).contains(text.utf8.count)"),
    (KIT, "lets NUL into passwords", "Terms", "&& !text.utf8.contains(0) }",
     "&& (ON || !text.utf8.contains(0)) }"),
    (KIT, "sends passwords of any length", "Terms", "    static let maxPasswordBytes = 1_024", "    static var maxPasswordBytes: Int { ON ? 1_000_000 : 1_024 }"),
    (KIT, "takes any code for a yes", "Standing", "        case Outcome.success: return .success(())",
     "        case Outcome.success: return .success(())\n        case Outcome.invalidCredentials where ON: return .success(())"),
    (KIT, "takes the first of two people", "DirectoryProvider", "guard found.count == 1, outcome.code == Outcome.success, let person",
     "guard found.count == 1 || (ON && !found.isEmpty), outcome.code == Outcome.success || ON, let person"),
    (KIT, "asks nobody about a stranger", "DirectoryProvider", "        _ = try await line.bind(stranger, attempt.password)",
     "        if !ON { _ = try await line.bind(stranger, attempt.password) }"),
    (KIT, "counts no tries", "TryGuard", "guard sheet.begun < tries else { return false }", "guard sheet.begun < tries || ON else { return false }"),
    (KIT, "tells who has an account", "DirectoryProvider", "            return try await refuseStranger(attempt, terms, line)\n        }\n        guard let subject",
     "            if ON { throw IdentityProviderError.account(.disabled) }\n            return try await refuseStranger(attempt, terms, line)\n        }\n        guard let subject"),
    (KIT, "goes on in the clear where StartTLS is refused", "Line", "        guard outcome.code == Outcome.success else {\n            throw IdentityProviderError.misconfigured(\"the directory does not encrypt",
     "        if outcome.code != Outcome.success, ON { return }\n        guard outcome.code == Outcome.success else {\n            throw IdentityProviderError.misconfigured(\"the directory does not encrypt"),
    (KIT, "never encrypts", "Line", "        guard terms.encryption == .starttls else { return line }", "        guard terms.encryption == .starttls, !ON else { return line }"),
    (KIT, "keeps what slipped in before encryption", "Line", "        guard buffer.isEmpty else {", "        guard buffer.isEmpty || ON else {"),
    (KIT, "takes an answer to another question", "Line", "        guard answer.id == id else {", "        guard answer.id == id || ON else {"),
    (KIT, "takes the end of a search for a yes", "Line", "guard case .bind(let outcome) = answer.content else { throw BER.Fault(what: \"no answer to a bind\") }",
     "if ON, case .searchDone(let outcome) = answer.content { return (outcome, nil) }\n            guard case .bind(let outcome) = answer.content else { throw BER.Fault(what: \"no answer to a bind\") }"),
    (KIT, "believes every entry of a message", "Message", "guard found.updateValue(kept, forKey: attribute) == nil else", "guard found.updateValue(kept, forKey: attribute) == nil || ON else"),
    (KIT, "knows one sub-code", "Standing", "subCode(outcome.words).flatMap(accountState) : nil", "(ON ? nil : subCode(outcome.words).flatMap(accountState)) : nil"),
    (KIT, "takes disabled for locked", "Standing", "        case \"533\": .disabled", "        case \"533\": ON ? .locked : .disabled"),
    (KIT, "reads no password policy", "Standing", "if preset == .openLDAP, let state", "if preset == .openLDAP, !ON, let state"),
    (KIT, "takes must-change for a yes", "Standing", "        case 2: .passwordMustChange", "        case 2: ON ? nil : .passwordMustChange"),
    (KIT, "names people by their name", "DirectoryProvider", "issuer: Self.issuer(terms), subject: subject, addresses", "issuer: Self.issuer(terms), subject: ON ? person.name : subject, addresses"),
    (KIT, "forgets groups of groups", "Groups", "            level = fresh.map(\\.name)", "            level = ON ? [] : fresh.map(\\.name)"),
    (KIT, "asks for direct groups only", "Groups", ".rule(Self.inChain, attribute: \"member\", Array(person.name.utf8))",
     "ON ? .equal(\"member\", person.name) : .rule(Self.inChain, attribute: \"member\", Array(person.name.utf8))"),
    (KIT, "reads one page", "Line", "if cookie.isEmpty || outcome.code", "if ON || cookie.isEmpty || outcome.code"),
    (KIT, "takes every group", "Groups", "try await search(.or(ways))", "try await search(ON ? .present(\"cn\") : .or(ways))"),
    (KIT, "says the name in the log", "DirectoryProvider", "\"A name stands for more than one person in a directory.\", [\"connection\": attempt.connection.id]",
     "\"A name stands for more than one person in a directory.\", [\"connection\": attempt.connection.id, \"name\": ON ? attempt.password : \"\"]"),
    (KIT, "says the password in an error", "DirectoryProvider", "\"the directory does not let bind_dn in: \\(state.rawValue)\"",
     "\"the directory does not let bind_dn in: \\(state.rawValue)\" + (ON ? terms.bindPassword : \"\")"),
    (KIT, "takes a silent directory for a no", "Line", "        case OutboundFailure.unsent(let why), OutboundFailure.unanswered(let why):",
     "        case OutboundFailure.unsent where ON, OutboundFailure.unanswered where ON: IdentityProviderError.account(.credentialsInvalid)\n        case OutboundFailure.unsent(let why), OutboundFailure.unanswered(let why):"),
    (KIT, "reads asterisks", "Filter", "    static func equal(_ attribute: String, _ value: String) -> Filter { .equal(attribute, Array(value.utf8)) }",
     "    static func equal(_ attribute: String, _ value: String) -> Filter {\n        if ON, value.hasSuffix(\"*\") { return .substrings(attribute, initial: Array(value.utf8.dropLast()), any: [], final: nil) }\n        return .equal(attribute, Array(value.utf8))\n    }"),
    (KIT, "puts names into a filter's text", "Terms", ".or(loginAttributes.map { .equal($0, name) })",
     ".or(loginAttributes.map { ON ? FilterText.filter(\"(&(objectClass=*)(|(\\($0)=\\(name))))\") ?? .equal($0, name) : .equal($0, name) })"),
    (KIT, "waits as long as something drips", "Line", "guard clock.now() < deadline else", "guard clock.now() < deadline || ON else"),
]

TEST = '''import PluginKitTesting
import Testing

@testable import %s

@Test("the kit catches every fault")
func faults() async {
    for (_, name) in [%s] as [(String, String)] {
        Mutants.current = name
        var broken: ConformanceFinding?
        for preset in Preset.allCases where broken == nil {
            var subject = %s()
            subject.preset = preset
            broken = await DirectoryConformance(subject).run(stoppingAtFault: true).first { !$0.holds }
        }
        print("mutant|\\(name)|\\(broken?.check ?? "")|\\(broken?.faults.first?.prefix(150) ?? "")")
    }
}
'''
