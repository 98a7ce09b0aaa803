import Store
import Vocabulary

/// Tenants' own looks.
extension Notifications {
    /// In whose name a mail goes out: the tenant's in whose transaction it was asked for; staff's and people's own are the platform's.
    func brand(of request: MailRequested, _ tenant: TenantID?) async throws -> MailBrand {
        switch request.recipient {
        case .staff: return voice.brand
        case .owners(let tenant): return try await brand(of: tenant)
        case .user, .invited:
            guard let tenant else { return voice.brand }
            return try await brand(of: tenant)
        }
    }

    package func brand(of tenant: TenantID) async throws -> MailBrand {
        let row = try await store.tenantRead(tenant) { db in
            try db.row(MailBrandTable.brand).map { (try $0.text(0), try $0.text(1), try $0.text(2)) }
        }
        guard let (name, accent, footer) = row else { return voice.brand }
        return MailBrand(name, accent: MailColour(accent) ?? .standard, footer: footer, platform: voice.brand.name)
    }

    package func setBrand(_ name: String, accent: String, footer: String, of tenant: TenantID, _ act: Act) async throws -> MailBrand {
        guard MailBrand.isName(name) else {
            throw CommonProblems.invalid("name", "is no name of 1 to 60 characters without links, addresses and signs that cannot be seen")
        }
        guard let colour = MailColour(accent.lowercased()) else { throw CommonProblems.invalid("accent", "is no colour like #0b57d0") }
        guard MailBrand.isFooter(footer) else {
            throw CommonProblems.invalid("footer", "is not one line of at most 300 characters without markup, links and addresses")
        }
        try await store.tenant(tenant) { db in
            if try db.row(MailBrandTable.change, name, colour.hex, footer, act.now) == nil {
                try db.run(MailBrandTable.insert, tenant, name, colour.hex, footer, act.now)
            }
            let details: [String: JSONValue] = ["name": .string(name), "accent": .string(colour.hex)]
            try db.journal(JournalEntry("mail_brand.changed", subject: "tenant:\(tenant)", details: .object(details)), act)
        }
        return MailBrand(name, accent: colour, footer: footer, platform: voice.brand.name)
    }

    package func dropBrand(of tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            guard try db.row(MailBrandTable.drop) != nil else { return }
            try db.journal(JournalEntry("mail_brand.dropped", subject: "tenant:\(tenant)"), act)
        }
    }

    /// A mail as it would go out, with pretended values.
    package func preview(_ template: String, _ brand: MailBrand) -> MailSample { voice.preview(template, brand, origin: origin()) }
}

/// A mail that goes nowhere.
package struct MailSample: Sendable, Hashable {
    package let subject: String
    package let text: String
    package let html: String
}

extension MailVoice {
    package func preview(_ name: String, _ brand: MailBrand? = nil, origin: String) -> MailSample {
        let written = MailWriter(brand: brand ?? self.brand, templates: templates, origin: origin).write(
            name, values: Self.pretended, recipient: "Ada Lovelace", isForStaff: false)
        return MailSample(subject: written.subject, text: written.text, html: written.html)
    }

    static let pretended: [String: String] = [
        "token": "not-a-token", "hours": "24", "minutes": "15", "days": "7", "device": "Firefox on Linux, 192.0.2.7", "tier": "Team",
        "tier_name": "Team", "next_tier": "Pro", "used": "800", "limit": "1000", "meter": "AI requests",
        "resets_at": "2027-01-15T08:00:00Z",
        "amount": "29.00 USD", "period_end": "2027-01-15T08:00:00Z", "grace_until": "2027-01-22T08:00:00Z",
        "cancels_at": "2027-01-15T08:00:00Z",
        "trial_ends_at": "2027-01-15T08:00:00Z", "seats_used": "45", "seats_total": "50", "reason": "event_parked",
        "url": "https://example.com/hook",
        "inviter": "Charles Babbage", "organization": "Analytical Engines", "role": "developer", "provider": "Example",
        "leaves_at": "2027-01-15T08:00:00Z", "summary": "the quantity was not as the provider has it", "quantity": "5",
        "status": "active",
    ]
}

enum MailBrandTable {
    static let brand = SQL("notifications.brand", "SELECT name, accent, footer FROM mail_brand")
    static let change = SQL(
        "notifications.change_brand", "UPDATE mail_brand SET name = $1, accent = $2, footer = $3, changed_at = $4 RETURNING name")
    static let insert = SQL(
        "notifications.insert_brand", "INSERT INTO mail_brand (tenant_id, name, accent, footer, changed_at) VALUES ($1, $2, $3, $4, $5)")
    static let drop = SQL("notifications.drop_brand", "DELETE FROM mail_brand RETURNING name")
}
