import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// A domain that a tenant says is its own, and proves by a TXT record.
package struct TenantDomain: Sendable, Hashable {
    package let domain: String
    /// What a TXT record at `_coditect-challenge.` before the domain must say.
    package let challenge: String
    package let verifiedAt: Timestamp?
    package var recordName: String { "\(Self.prefix).\(domain)" }
    static let prefix = "_coditect-challenge"
    package static let mostPerTenant = 50

    init(_ row: Row) throws {
        domain = try row.text(0)
        challenge = try row.text(1)
        verifiedAt = try row.optional(2, row.time)
    }

    /// Lower case, two labels at least, letters, digits and hyphens, no address and no top-level domain. Nil for anything else.
    static func read(_ text: String) -> String? {
        let domain = text.trimmingCharacters(in: .whitespaces).lowercased()
        let labels = domain.split(separator: ".", omittingEmptySubsequences: false)
        guard labels.count >= 2, (3...200).contains(domain.utf8.count), labels.last?.contains(where: \.isLetter) == true else { return nil }
        let isName = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                && label.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
        }
        return isName ? domain : nil
    }
    /// Where everybody has an address, nobody's provider vouches for all.
    static let everybodys: Set<String> = [
        "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com", "aol.com", "gmx.de",
        "gmx.net", "web.de", "proton.me", "protonmail.com", "mail.com", "yandex.com", "qq.com", "163.com",
    ]
}

extension Federation {
    package func domains(of tenant: TenantID) async throws -> [TenantDomain] {
        try await store.tenantRead(tenant) { db in try db.rows(FederationTable.domains).map(TenantDomain.init) }
    }

    package func add(domain text: String, to tenant: TenantID, _ act: Act) async throws -> TenantDomain {
        guard let domain = TenantDomain.read(text), !TenantDomain.everybodys.contains(domain) else {
            throw CommonProblems.invalid("domain", "is not the name of a domain that an organization can own")
        }
        let challenge = "coditect-domain=\(Base64URL.encode(vault.entropy.bytes(24)))"
        return try await store.tenant(tenant) { db in
            if let row = try db.row(FederationTable.domain, domain) { return try TenantDomain(row) }
            guard try db.rows(FederationTable.domains).count < TenantDomain.mostPerTenant else { throw FederationProblems.tooMany }
            try db.run(FederationTable.insertDomain, tenant, domain, challenge, act.now)
            try db.journal(JournalEntry("sso.domain_added", subject: "domain:\(domain)", details: [:]), act)
            guard let row = try db.row(FederationTable.domain, domain) else { throw CommonProblems.internal }
            return try TenantDomain(row)
        }
    }

    /// Looks the record up now. One tenant holds a domain at a time.
    package func verify(domain: String, of tenant: TenantID, _ act: Act) async throws -> TenantDomain {
        guard let held = try await domains(of: tenant).first(where: { $0.domain == domain }) else { throw CommonProblems.notFound }
        if held.verifiedAt != nil { return held }
        let texts: [String]
        do { texts = try await parts.resolver.texts(of: held.recordName) } catch {
            parts.note("A TXT record could not be looked up.", ["domain": domain, "reason": "\(error)", "request": act.requestID])
            throw FederationProblems.recordMissing.with(["record": .string(held.recordName)])
        }
        guard texts.contains(held.challenge) else {
            throw FederationProblems.recordMissing.with(["record": .string(held.recordName)])
        }
        try await store.kernel(KernelReason("identity.verify_domain")) { db in
            if let row = try db.row(FederationTable.holderOf, domain) {
                guard try row.id(0) == tenant else { throw FederationProblems.domainTaken }
            } else {
                try db.run(FederationTable.claimDomain, domain, tenant)
            }
            try db.within(tenant) { db in
                guard try !db.rows(FederationTable.verifyDomain, domain, act.now).isEmpty else { throw CommonProblems.notFound }
                try db.journal(JournalEntry("sso.domain_verified", subject: "domain:\(domain)", details: [:]), act)
            }
        }
        return try await domains(of: tenant).first { $0.domain == domain } ?? held
    }

    package func drop(domain: String, of tenant: TenantID, _ act: Act) async throws {
        try await store.kernel(KernelReason("identity.drop_domain")) { db in
            try db.within(tenant) { db in
                let others = try db.rows(FederationTable.domains).map(TenantDomain.init).filter {
                    $0.domain != domain && $0.verifiedAt != nil
                }
                if others.isEmpty, try db.row(FederationTable.ssoRule) != nil { throw FederationProblems.domainUnverified }
                guard try !db.rows(FederationTable.dropDomain, domain).isEmpty else { throw CommonProblems.notFound }
                try db.journal(JournalEntry("sso.domain_removed", subject: "domain:\(domain)", details: [:]), act)
            }
            _ = try db.rows(FederationTable.releaseDomain, domain, tenant)
        }
    }

    /// Where somebody with this address signs in: the connection that the domain's tenant requires, else the one that it has enabled. Nil where
    /// there is none; it says nothing of whether anybody has the address.
    package func connection(forMail email: String) async throws -> ConnectionID? {
        guard let domain = MailCanon(email)?.domain else { return nil }
        return try await store.kernelRead(KernelReason("identity.connection_for_domain")) { db in
            guard let tenant: TenantID = try db.row(FederationTable.holderOf, domain)?.id(0) else { return nil }
            return try db.within(tenant) { db in
                if let row = try db.row(FederationTable.ssoRule) { return try row.id(0) }
                return try db.rows(FederationTable.connections).map { try TenantConnection($0, tenant) }.first { $0.state == .enabled }?.id
            }
        }
    }
}
