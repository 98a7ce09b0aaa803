import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

package enum APIKeyPermissions {
    package static let own = Permission("api_keys:own", "Make, rotate and revoke the own API keys.", delegates: .none, isSensitive: true)
    package static let manage = Permission(
        "api_keys:manage", "See and revoke the API keys of every member.", delegates: .none, isSensitive: true)
    package static let all = [own, manage]
}

package enum APIKeyProblems {
    package static let tooMany = Problem(
        "too_many_api_keys", status: 409, title: "You have as many API keys as one member may.", hint: "Revoke one that is not used.")
    package static let over = Problem(
        "api_key_over", status: 409, title: "This API key is revoked, expired or was rotated at the same time.",
        hint: "Look at it again, or make a new one.")
    package static let all = [tooMany, over]
}

package enum APIKeySettings {
    package static let mostPerMember = Setting<Int>(
        "api_keys.most_per_member", default: 25, in: 1...1_000, reason: "Working API keys of one member in one tenant.")
    package static let mostDays = Setting<Int>(
        "api_keys.most_days", default: 365, in: 1...3_650,
        reason: "The longest life of an API key: a year. One that is not asked for is 90 days.")
    package static let all: [AnySetting] = [mostPerMember.erased, mostDays.erased]
}

/// The API keys of members.
package struct APIKeys: Sendable {
    private let identity: Identity
    private var store: any Store { identity.store }
    /// Names of the permissions that a key can carry: those that some route declares and that may be delegated.
    package let permissions: [String]

    package init(identity: Identity, permissions: [Permission]) {
        self.identity = identity
        self.permissions = Set(permissions.filter { $0.delegates != .none }.map(\.name)).sorted()
    }

    package struct Made: Sendable {
        package let key: APIKey
        /// The whole key, this once.
        package let text: String
    }
    private struct Kept: Codable { let id: APIKeyID }

    /// The answer to a repeated request shows the key's row, not its secret again: nothing of that is kept.
    package func create(
        name: String, permissions: [String], days: Int, for caller: Principal, _ act: Act
    ) async throws -> Made {
        guard (1...identity.settings[APIKeySettings.mostDays]).contains(days) else {
            throw CommonProblems.invalid("expires_in_days", "must be 1 to \(identity.settings[APIKeySettings.mostDays])")
        }
        let wanted = Set(permissions)
        let kind = try await identity.tenancy.tenant(caller.tenant)?.kind ?? .organization
        let held = try await identity.tokens.permissions(of: Role(rawValue: caller.role), tenant: caller.tenant, kind: kind, act)
        let granted = Set(self.permissions).intersection(held)
        guard !wanted.isEmpty, wanted.isSubset(of: granted) else {
            throw CommonProblems.invalid("permissions", "must be permissions that you have and a key can carry")
        }
        let secret = APIKeySecret(identity.vault.entropy)
        let id: APIKey.ID = identity.vault.entropy.id(act.now)
        let list = String(decoding: try JSONCoding.encode(wanted.sorted()), as: UTF8.self)
        let key = try await store.kernel(KernelReason("api_keys.create")) { db in
            let place = try identity.tenancy.standing(of: caller.user, in: caller.tenant, db)
            guard let place, place.isActive(at: act.now) else { throw CommonProblems.forbidden }
            let live = try db.row(APIKeyTable.countLive, caller.tenant, caller.user, act.now)?.int(0) ?? 0
            guard live < identity.settings[APIKeySettings.mostPerMember] else { throw APIKeyProblems.tooMany }
            let asked = act.now + .days(Int64(days))
            let ends = place.membership.endsAt.map { min($0, asked) } ?? asked
            try db.run(
                APIKeyTable.insert, id, caller.tenant, caller.user, name, secret.prefix, secret.digest(identity.vault.sealer), list,
                act.now,
                ends)
            try journal("api_key.created", id, ["permissions": .array(wanted.sorted().map { .string($0) })], caller.tenant, in: db, act)
            return try read(id, caller.tenant, in: db)
        }
        return Made(key: key, text: identity.vault.mark.marked(secret.text))
    }

    /// What a key of this member may carry, as of now.
    package func carried(by user: UserID, _ tenant: TenantID, _ act: Act) async throws -> [String] {
        guard let place = try await identity.tenancy.standing(of: user, in: tenant), place.isActive(at: act.now) else { return [] }
        let held = try await identity.tokens.permissions(of: place.membership.role, tenant: tenant, kind: place.tenantKind, act)
        return Set(permissions).intersection(held).sorted()
    }
    /// A key made by the kernel itself, in the caller's transaction: the same rules, and 90 days.
    package func issue(
        name: String, to owner: UserID, permissions: [String], of tenant: TenantID, in db: any KernelScope, _ act: Act
    ) throws -> (id: APIKeyID, text: String) {
        let place = try identity.tenancy.standing(of: owner, in: tenant, db)
        guard let place, place.isActive(at: act.now), !permissions.isEmpty else { throw CommonProblems.forbidden }
        let live = try db.row(APIKeyTable.countLive, tenant, owner, act.now)?.int(0) ?? 0
        guard live < identity.settings[APIKeySettings.mostPerMember] else { throw APIKeyProblems.tooMany }
        let secret = APIKeySecret(identity.vault.entropy)
        let id: APIKey.ID = identity.vault.entropy.id(act.now)
        let asked = act.now + .days(Int64(min(90, identity.settings[APIKeySettings.mostDays])))
        try db.run(
            APIKeyTable.insert, id, tenant, owner, name, secret.prefix, secret.digest(identity.vault.sealer),
            String(decoding: try JSONCoding.encode(permissions.sorted()), as: UTF8.self), act.now,
            place.membership.endsAt.map { min($0, asked) } ?? asked)
        try journal("api_key.created", id, ["permissions": .array(permissions.sorted().map { .string($0) })], tenant, in: db, act)
        return (id, identity.vault.mark.marked(secret.text))
    }
    /// Takes back a key that `issue` made, in the caller's transaction. Nobody has used it: it was shown to nobody.
    package func takeBack(_ id: APIKey.ID, of tenant: TenantID, in db: any KernelScope, _ act: Act) throws {
        guard try db.row(APIKeyTable.revoke, id, act.now, "taken_back") != nil else { return }
        try journal("api_key.revoked", id, ["reason": "taken_back"], tenant, in: db, act)
    }

    /// Up to one more than `limit`, of one member or, with nil, of all.
    package func list(_ tenant: TenantID, owner: UserID?, after: APIKey.ID?, limit: Int) async throws -> [APIKey] {
        try await store.kernelRead(KernelReason("api_keys.list")) { db in
            try db.rows(APIKeyTable.page, tenant, owner, after?.uuid.bytes ?? [], limit + 1).map(APIKey.init)
        }
    }

    /// The same key with another secret; the one before works for `overlap` more. A rotation ends the overlap of the one before it.
    package func rotate(_ id: APIKey.ID, overlap: Duration, for caller: Principal, _ act: Act) async throws -> Made {
        let secret = APIKeySecret(identity.vault.entropy)
        let (key, old) = try await store.kernel(KernelReason("api_keys.rotate")) { db in
            let old = try own(id, caller, in: db)
            guard
                try db.row(
                    APIKeyTable.rotate, id, old.prefix, secret.prefix, secret.digest(identity.vault.sealer), act.now + overlap, act.now)
                    != nil
            else { throw APIKeyProblems.over }
            try journal("api_key.rotated", id, ["overlap_seconds": .int(overlap.wholeSeconds)], caller.tenant, in: db, act)
            return (try read(id, caller.tenant, in: db), old)
        }
        identity.standings.forget(old)
        return Made(key: key, text: identity.vault.mark.marked(secret.text))
    }

    /// The owner's own, or with `anybody` any member's.
    package func revoke(_ id: APIKey.ID, anybody: Bool, _ caller: Principal, _ act: Act) async throws {
        let key = try await store.kernel(KernelReason("api_keys.revoke")) { db in
            let key = anybody ? try read(id, caller.tenant, in: db) : try own(id, caller, in: db)
            guard try db.row(APIKeyTable.revoke, id, act.now, anybody ? "revoked_by_manager" : "revoked_by_owner") != nil else {
                throw APIKeyProblems.over
            }
            try journal("api_key.revoked", id, ["owner": .string(key.owner.description)], caller.tenant, in: db, act)
            return key
        }
        identity.standings.forget(key)
    }

    private func read(_ id: APIKey.ID, _ tenant: TenantID, in db: any KernelScope) throws -> APIKey {
        guard let row = try db.row(APIKeyTable.one, id, tenant) else { throw CommonProblems.notFound }
        return try APIKey(row)
    }
    private func own(_ id: APIKey.ID, _ caller: Principal, in db: any KernelScope) throws -> APIKey {
        let key = try read(id, caller.tenant, in: db)
        guard key.owner == caller.user else { throw CommonProblems.notFound }
        return key
    }
    private func journal(
        _ action: String, _ id: APIKey.ID, _ details: JSONValue, _ tenant: TenantID, in db: any KernelScope, _ act: Act
    ) throws {
        try db.journal(JournalEntry(action, subject: "key:\(id)", details: details), act, tenant: tenant)
    }
}

extension Standings {
    func forget(_ key: APIKey) {
        keys.forget(key.prefix)
        if let previous = key.previousPrefix { keys.forget(previous) }
    }
}

extension Identity {
    /// Revokes the keys of a user in one tenant, or with nil in all; gives the prefixes to be forgotten after the commit.
    func revokeKeys(of user: UserID, in tenant: TenantID?, because reason: String, _ db: any KernelScope, _ act: Act) throws -> [String] {
        var prefixes: [String] = []
        for row in try db.rows(APIKeyTable.revokeAll, user, tenant, act.now, reason) {
            let id: APIKey.ID = try row.id(0)
            prefixes += [try row.text(1), try row.optional(2, row.text)].compactMap { $0 }
            try journal(
                "api_key.revoked", "key:\(id)", .success, ["owner": .string(user.description), "reason": .string(reason)],
                tenant: try row.id(3), in: db, act)
        }
        return prefixes
    }

    /// Whoever an API key acts for, as of now: role, membership and account are looked up, never remembered from when the key was made.
    /// A platform role does not reach through a key.
    func caller(key text: String, now: Timestamp) async throws -> ProvedCaller? {
        guard let secret = APIKeySecret(vault.mark.bare(text)) else { return nil }
        let found = try await standings.keys.value(secret.prefix) {
            try await store.kernelRead(KernelReason("identity.api_key_standing")) { db in
                try db.row(APIKeyTable.byPrefix, secret.prefix).map(APIKey.init)
            }
        }
        guard let key = found, key.opens(secret, secret.digest(vault.sealer), now: now),
            let user = try await standing(of: key.owner), user.isActive,
            let place = try await tenancy.standing(of: key.owner, in: key.tenant), place.isActive(at: now), !place.isLeaving
        else { return nil }
        await touch(key, prefix: secret.prefix, now)
        let membership = place.membership
        let principal = Principal(
            user: key.owner, tenant: key.tenant, membership: membership.id, session: AuthSessionID(key.id.uuid),
            role: membership.role.rawValue,
            bounds: Principal.Bounds(
                scope: membership.scope, endsAt: membership.endsAt, delegation: .key(key.id, permissions: Set(key.permissions)),
                networks: place.addressRule?.binding(at: now)))
        return ProvedCaller(principal: principal, tokenID: key.id.description)
    }

    /// As with sessions: at most one write in `last_use_seconds`.
    private func touch(_ key: APIKey, prefix: String, _ now: Timestamp) async {
        if let last = key.lastUsedAt, now < last + settings.seconds(IdentitySettings.lastUseSeconds) { return }
        standings.keys.update(prefix) { $0.lastUsedAt = now }
        _ = try? await store.kernel(KernelReason("identity.touch_api_key")) { db in try db.rows(APIKeyTable.touch, key.id, now) }
    }
}
