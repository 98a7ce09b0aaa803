/// `resource:verb`, asked of policy at each use.
package struct Permission: Hashable, Sendable, CustomStringConvertible {
    package let name: String
    /// What it lets its holder do.
    package let summary: String
    /// Whether the tenant's own policies have a say in its use.
    package let asksTenant: Bool
    /// Who may use it in the place of the person who has it.
    package let delegates: Delegates
    /// What is changed under it moves money, or says who gets in: whoever has a second factor proves it again before.
    package let isSensitive: Bool
    package enum Delegates: Sendable {
        /// API keys that name it, and staff who impersonate.
        case all
        /// API keys alone: what it changes would give staff access that outlives the impersonation.
        case keys
        /// Nobody: it makes or ends what people prove themselves by.
        case none
    }
    package init(_ name: String, _ summary: String, asksTenant: Bool = true, delegates: Delegates = .all, isSensitive: Bool = false) {
        self.name = name
        self.summary = summary
        self.asksTenant = asksTenant
        self.delegates = delegates
        self.isSensitive = isSensitive
    }
    package var description: String { name }
    package static func == (left: Self, right: Self) -> Bool { left.name == right.name }
    package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// The caller of a request, as looked up at this request; rights are never believed from a token.
package struct Principal: Sendable, Hashable {
    package let user: UserID
    package let tenant: TenantID
    package let membership: MembershipID
    package let session: AuthSessionID
    package let role: String
    package let bounds: Bounds
    package init(
        user: UserID, tenant: TenantID, membership: MembershipID, session: AuthSessionID, role: String, bounds: Bounds = Bounds()
    ) {
        self.user = user
        self.tenant = tenant
        self.membership = membership
        self.session = session
        self.role = role
        self.bounds = bounds
    }

    /// Who acts, as the journal names it.
    package var actor: Actor {
        switch bounds.delegation {
        case nil: .user(user, session: session)
        case .key(let key, _): .delegate("key:\(key)", for: user)
        case .impersonation(let staff): .delegate("user:\(staff)", for: user)
        }
    }

    /// What narrows a caller beyond the role.
    package struct Bounds: Sendable, Hashable {
        /// Project ids; nil: the whole tenant as far as the role goes.
        package var scope: [String]?
        /// From this moment on nothing is granted.
        package var endsAt: Timestamp?
        /// Nil: the person acts in person.
        package var delegation: Delegation?
        package var proof: Proof
        /// From where the tenant lets its people in; nil: from anywhere.
        package var networks: [NetworkRange]?
        /// The tenant leaves: there is nothing but `offboarding/`.
        package var isLeaving: Bool
        package init(
            scope: [String]? = nil, endsAt: Timestamp? = nil, delegation: Delegation? = nil, proof: Proof = .single,
            networks: [NetworkRange]? = nil, isLeaving: Bool = false
        ) {
            self.scope = scope
            self.endsAt = endsAt
            self.delegation = delegation
            self.proof = proof
            self.networks = networks
            self.isLeaving = isLeaving
        }
    }
    /// How far the person has proved who it is, at this request.
    package enum Proof: Sendable, Hashable {
        /// The person has no second factor, and nothing demands one.
        case single
        /// A second factor, so long ago that sensitive changes ask for it again.
        case stale
        /// A second factor, a moment ago.
        case recent
        /// Two factors are demanded and the person has one: the session can set up another, and nothing else.
        case enrolling
    }
    /// What acts in the place of the person.
    package enum Delegation: Sendable, Hashable {
        /// An API key, for the permissions that it names.
        case key(APIKeyID, permissions: Set<String>)
        /// A member of staff.
        case impersonation(by: UserID)
    }
}
