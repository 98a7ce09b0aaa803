import PluginKit

/// Which groups somebody is in, also by way of other groups.
///
/// Whoever is in more than `IdentityLimits.maxGroups` is not let in with a part of them: the first fitting rule of a role map would else be another's.
struct Groups {
    static let maxDepth = 10
    static let maxSearches = 60
    static let maxNamesInSearch = 20
    /// LDAP_MATCHING_RULE_IN_CHAIN: Active Directory walks the groups itself.
    static let inChain = "1.2.840.113556.1.4.1941"

    let terms: Terms
    let line: Line

    func of(_ person: Entry) async throws -> [String] {
        let found =
            terms.preset == .activeDirectory
            ? try await search(.rule(Self.inChain, attribute: "member", Array(person.name.utf8))) : try await walked(from: person)
        let names = found.compactMap { terms.groupNames == .cn ? $0.text("cn") : $0.name }
        let texts = Set(names).filter { (1...IdentityLimits.maxTextBytes).contains($0.utf8.count) }.sorted()
        guard texts.count <= IdentityLimits.maxGroups else { throw Self.tooMany }
        return texts
    }

    /// Level by level, each group once: a circle of groups ends where it began.
    private func walked(from person: Entry) async throws -> [Entry] {
        var seen: Set<String> = []
        var found: [Entry] = []
        var level = [person.name]
        var searches = 0
        for depth in 0..<Self.maxDepth {
            var next: [Entry] = []
            for start in stride(from: 0, to: level.count, by: Self.maxNamesInSearch) {
                searches += 1
                guard searches <= Self.maxSearches else { throw Self.tooMany }
                let names = level[start..<min(start + Self.maxNamesInSearch, level.count)]
                var ways: [Filter] = names.flatMap { [.equal("member", $0), .equal("uniqueMember", $0)] }
                if depth == 0, let user = person.text("uid") {
                    ways.append(.and([.equal("objectClass", "posixGroup"), .equal("memberUid", user)]))
                }
                next += try await search(.or(ways))
            }
            let fresh = next.filter { seen.insert(DistinguishedName($0.name)?.comparable ?? $0.name).inserted }
            found += fresh
            level = fresh.map(\.name)
            guard found.count <= IdentityLimits.maxGroups else { throw Self.tooMany }
            if level.isEmpty { return found }
        }
        throw IdentityProviderError.misconfigured("groups lie in groups more than \(Self.maxDepth) deep")
    }

    private func search(_ filter: Filter) async throws -> [Entry] {
        let (entries, outcome) = try await line.search(
            terms.groupsBase, filter, ["cn"], limit: Int32(IdentityLimits.maxGroups + 1))
        switch outcome.code {
        case Outcome.success: return entries
        case Outcome.sizeLimitExceeded: throw Self.tooMany
        case Outcome.noSuchObject: throw IdentityProviderError.misconfigured("groups_base_dn names nothing in the directory")
        default: throw DirectoryProvider.failure(of: outcome, "the search for groups")
        }
    }

    private static let tooMany = IdentityProviderError.misconfigured(
        "somebody is in more than \(IdentityLimits.maxGroups) groups: name a smaller groups_base_dn")
}
