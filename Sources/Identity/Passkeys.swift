import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

package enum PasskeyMark {}

/// A passkey as its owner sees it.
package struct Passkey: Sendable, Hashable {
    package typealias ID = Identifier<PasskeyMark>
    package let id: ID
    package let label: String
    /// Its counter went back: it proves nothing any more.
    package let isSuspect: Bool
    package let createdAt: Timestamp
    package let lastUsedAt: Timestamp?
    let credential: [UInt8]
}

/// A row of `passkey`.
struct HeldPasskey: Sendable {
    let digest: [UInt8]
    let id: Passkey.ID
    let user: UserID
    let credential: [UInt8]
    let key: CredentialKey
    let signCount: UInt32
    let labelBox: [UInt8]
    let isSuspect: Bool
    let createdAt: Timestamp
    let lastUsedAt: Timestamp?

    init(_ row: Row) throws {
        digest = try row.blob(0)
        id = try row.id(1)
        user = try row.id(2)
        credential = try row.blob(3)
        let jwk = try JSONCoding.decode(JSONValue.self, Data(try row.text(5).utf8))
        key = CredentialKey(algorithm: try row.text(4), jwk: jwk)
        guard let count = UInt32(exactly: try row.integer(6)) else { throw StoreFault.corrupt("passkey.sign_count") }
        signCount = count
        labelBox = try row.blob(7)
        isSuspect = try row.bool(8)
        createdAt = try row.time(9)
        lastUsedAt = try row.optional(10, row.time)
    }
}

/// What a browser brings back of a registration; sizes are checked where it is read.
package struct PasskeyBirth: Sendable {
    package let clientData: [UInt8]
    package let attestation: [UInt8]
    package init(clientData: [UInt8], attestation: [UInt8]) {
        self.clientData = clientData
        self.attestation = attestation
    }
}
/// What a browser brings back of an assertion.
package struct PasskeyAnswer: Sendable {
    package let credential: [UInt8]
    package let clientData: [UInt8]
    package let authenticatorData: [UInt8]
    package let signature: [UInt8]
    package let userHandle: [UInt8]?
    package init(credential: [UInt8], clientData: [UInt8], authenticatorData: [UInt8], signature: [UInt8], userHandle: [UInt8]?) {
        self.credential = credential
        self.clientData = clientData
        self.authenticatorData = authenticatorData
        self.signature = signature
        self.userHandle = userHandle
    }
}

extension Factors {
    /// What a challenge is for: one for another purpose is none.
    enum ChallengePurpose: String, Sendable {
        case register
        /// After another factor; possession is enough.
        case second
        /// Alone; the authenticator must have verified its person.
        case first
    }

    package var hasPasskeys: Bool { WebAuthn.Party(origin: origin()) != nil }
    func party() throws(Problem) -> WebAuthn.Party {
        guard let party = WebAuthn.Party(origin: origin()) else { throw FactorProblems.passkeysUnavailable }
        return party
    }
    func passkeys(of user: UserID, in db: any KernelScope) throws -> [Passkey] {
        try db.rows(FactorTable.passkeys, user).map { row in
            let held = try HeldPasskey(row)
            return Passkey(
                id: held.id, label: try identity.fields.open(held.labelBox, user, "passkey:\(held.id)"), isSuspect: held.isSuspect,
                createdAt: held.createdAt, lastUsedAt: held.lastUsedAt, credential: held.credential)
        }
    }

    // MARK: Challenges

    /// Kept nowhere until it is answered: its end, a nonce, and a mark over both, the purpose and who asked.
    func challenge(_ purpose: ChallengePurpose, bound binding: [UInt8], _ act: Act) -> [UInt8] {
        let ends = (act.now + settings.seconds(FactorSettings.stepSeconds)).microseconds
        let head = withUnsafeBytes(of: ends.bigEndian) { Array($0) } + vault.entropy.bytes(16)
        return head + mark(head, purpose, binding)
    }
    private func mark(_ head: [UInt8], _ purpose: ChallengePurpose, _ binding: [UInt8]) -> [UInt8] {
        vault.sealer.digest(head + binding, purpose: "identity.passkey_challenge.\(purpose.rawValue)")
    }
    /// Spends it, whatever becomes of the answer.
    private func spend(
        _ challenge: [UInt8], _ purpose: ChallengePurpose, bound binding: [UInt8], in db: any KernelScope, _ act: Act
    ) throws {
        guard challenge.count == 56, ConstantTime.equal(Array(challenge[24...]), mark(Array(challenge[..<24]), purpose, binding)) else {
            throw WebAuthn.Refusal("challenge")
        }
        let ends = Timestamp(microseconds: challenge[..<8].reduce(Int64(0)) { $0 << 8 | Int64($1) })
        guard act.now < ends else { throw WebAuthn.Refusal("challenge_expired") }
        let digest = Digest.sha256(challenge)
        guard try db.row(FactorTable.spent, digest) == nil else { throw WebAuthn.Refusal("challenge_replayed") }
        try db.run(FactorTable.spend, digest, ends)
    }

    /// The name under which an authenticator keeps the person: nothing of the account can be read from it.
    func handle(_ user: UserID) -> [UInt8] { vault.sealer.digest(user.uuid.bytes, purpose: "identity.passkey_handle") }

    // MARK: Registering

    /// `PublicKeyCredentialCreationOptionsJSON`.
    package func registrationOptions(_ caller: Principal, _ act: Act) async throws -> JSONValue {
        let party = try party()
        let account = try await identity.account(caller.user)
        let held = try await store.kernelRead(KernelReason("identity.passkeys")) { db in try passkeys(of: caller.user, in: db) }
        return [
            "rp": ["id": .string(party.id), "name": .string(brand)],
            "user": [
                "id": .string(Base64URL.encode(handle(caller.user))), "name": .string(account.email), "displayName": .string(account.name),
            ],
            "challenge": .string(Base64URL.encode(challenge(.register, bound: binding(caller.session), act))),
            "pubKeyCredParams": .array(CredentialKey.algorithms.map { ["type": "public-key", "alg": .int($0.cose)] }),
            "timeout": .int(settings.seconds(FactorSettings.stepSeconds).wholeSeconds * 1_000),
            "excludeCredentials": .array(held.map(Self.descriptor)),
            "authenticatorSelection": ["residentKey": "preferred", "requireResidentKey": false, "userVerification": "preferred"],
            "attestation": "none",
        ]
    }
    private static func descriptor(_ passkey: Passkey) -> JSONValue {
        ["type": "public-key", "id": .string(Base64URL.encode(passkey.credential))]
    }

    /// Gives recovery codes where there were none: shown this once.
    package func register(
        _ birth: PasskeyBirth, label: String, _ caller: Principal, _ act: Act
    ) async throws -> (passkey: Passkey.ID, recoveryCodes: [String]) {
        let party = try party()
        try await requireFreshProof(caller, act)
        let id: Passkey.ID = vault.entropy.id(act.now)
        let box = try identity.fields.seal(label, caller.user, "passkey:\(id)")
        let outcome: Result<[String], Problem> = try await identity.change(KernelReason("identity.register_passkey")) { db in
            func refuse(_ reason: String, _ problem: Problem = FactorProblems.passkeyRefused) throws -> Changed<Result<[String], Problem>> {
                try identity.journal(
                    "factor.refused", "user:\(caller.user)", .denied, ["reason": .string(reason), "kind": "passkey"],
                    tenant: caller.tenant, in: db, act)
                return Changed(.failure(problem))
            }
            let credential: WebAuthn.Credential
            let data: WebAuthn.AuthenticatorData
            do {
                let challenge = try WebAuthn.challenge(inClientData: birth.clientData, .create, party)
                try spend(challenge, .register, bound: binding(caller.session), in: db, act)
                data = try WebAuthn.AuthenticatorData(try WebAuthn.authenticatorData(inAttestation: birth.attestation), party)
                guard data.isPresent else { throw WebAuthn.Refusal("not_present") }
                guard let found = data.credential else { throw WebAuthn.Refusal("credential") }
                credential = found
            } catch let refusal as WebAuthn.Refusal { return try refuse(refusal.reason) }
            let digest = Digest.sha256(credential.id)
            guard try db.row(FactorTable.passkeyOf, digest) == nil else { return try refuse("taken", FactorProblems.passkeyTaken) }
            guard try db.rows(FactorTable.passkeys, caller.user).count < settings[FactorSettings.mostPasskeys] else {
                return try refuse("too_many", FactorProblems.tooManyPasskeys)
            }
            let jwk = String(decoding: try CanonicalJSON.encode(credential.key.jwk), as: UTF8.self)
            try db.run(
                FactorTable.insertPasskey, digest, id, caller.user, credential.id, credential.key.algorithm, jwk, Int64(data.signCount),
                box, act.now)
            let (codes, ended) = try added("passkey", caller, in: db, act)
            return Changed(.success(codes), sessions: ended, users: [caller.user])
        }
        return (id, try outcome.get())
    }

    package func removePasskey(_ id: Passkey.ID, _ caller: Principal, _ act: Act) async throws {
        try await requireOwnProof(caller)
        try await identity.change(KernelReason("identity.remove_passkey")) { db in
            guard try !db.rows(FactorTable.dropPasskey, id, caller.user).isEmpty else { throw CommonProblems.notFound }
            try removed("passkey", caller, in: db, act)
            return Changed((), sessions: [caller.session], users: [caller.user])
        }
    }

    // MARK: Proving

    private func requestOptions(_ purpose: ChallengePurpose, bound binding: [UInt8], _ held: [Passkey], _ act: Act) throws -> JSONValue {
        [
            "challenge": .string(Base64URL.encode(challenge(purpose, bound: binding, act))), "rpId": .string(try party().id),
            "timeout": .int(settings.seconds(FactorSettings.stepSeconds).wholeSeconds * 1_000),
            "allowCredentials": .array(held.filter { !$0.isSuspect }.map(Self.descriptor)),
            "userVerification": purpose == .first ? "required" : "preferred",
        ]
    }

    /// `PublicKeyCredentialRequestOptionsJSON` for the second step of a sign-in.
    package func options(forStep token: String, _ act: Act) async throws -> JSONValue {
        let held = try await store.kernelRead(KernelReason("identity.step_passkeys")) { db in
            try step(token, in: db, act).map { try passkeys(of: $0.user, in: db) }
        }
        guard let held else { throw FactorProblems.stepInvalid }
        return try requestOptions(.second, bound: Array("step:\(token)".utf8), held, act)
    }
    /// The same for a session that proves its person again.
    package func options(forStepUp caller: Principal, _ act: Act) async throws -> JSONValue {
        let held = try await store.kernelRead(KernelReason("identity.passkeys")) { db in try passkeys(of: caller.user, in: db) }
        return try requestOptions(.second, bound: binding(caller.session), held, act)
    }
    /// For somebody who has not said who it is. The secret goes along and must come back: from this browser alone an answer counts.
    package func signInOptions(browser secret: String?, _ act: Act) throws -> (secret: String, options: JSONValue) {
        let known = secret.flatMap { $0.utf8.count == 43 ? Base64URL.decode($0) : nil }
        let secret = known?.count == 32 ? secret ?? "" : Base64URL.encode(vault.entropy.bytes(32))
        return (secret, try requestOptions(.first, bound: Array("browser:\(secret)".utf8), [], act))
    }

    /// Nil: the passkey is this person's, and was here now. A counter that went back makes it suspect, and the person is told.
    func assert(
        _ answer: PasskeyAnswer, of user: UserID, purpose: ChallengePurpose, bound binding: [UInt8], in db: any KernelScope, _ act: Act
    ) throws -> Problem? {
        let home = try identity.account(user, in: db)?.homeTenant
        func refuse(_ reason: String) throws -> Problem {
            try identity.journal(
                "factor.failed", "user:\(user)", .denied, ["reason": .string(reason), "kind": "passkey"], tenant: home, in: db, act)
            return FactorProblems.passkeyInvalid
        }
        let party = try party()
        let held: HeldPasskey
        let data: WebAuthn.AuthenticatorData
        do {
            let challenge = try WebAuthn.challenge(inClientData: answer.clientData, .get, party)
            try spend(challenge, purpose, bound: binding, in: db, act)
            guard let row = try db.row(FactorTable.passkeyOf, Digest.sha256(answer.credential)).map(HeldPasskey.init), row.user == user
            else { throw WebAuthn.Refusal("credential") }
            held = row
            data = try WebAuthn.AuthenticatorData(answer.authenticatorData, party)
            try WebAuthn.verify(answer.signature, answer.authenticatorData, clientData: answer.clientData, held.key)
            guard data.isPresent else { throw WebAuthn.Refusal("not_present") }
            guard data.isVerified || purpose != .first else { throw WebAuthn.Refusal("not_verified") }
            guard answer.userHandle.map({ ConstantTime.equal($0, handle(user)) }) ?? (purpose != .first) else {
                throw WebAuthn.Refusal("user_handle")
            }
            guard !held.isSuspect else { throw WebAuthn.Refusal("suspect") }
        } catch let refusal as WebAuthn.Refusal { return try refuse(refusal.reason) }
        guard WebAuthn.isForward(data.signCount, after: held.signCount) else {
            try db.run(FactorTable.suspectPasskey, held.digest)
            let label = try identity.fields.open(held.labelBox, user, "passkey:\(held.id)")
            try mail("passkey_suspect", user, sealed: ["passkey": label], in: db, act)
            return try refuse("counter")
        }
        guard try !db.rows(FactorTable.usePasskey, held.digest, Int64(data.signCount), act.now).isEmpty else {
            return try refuse("suspect")
        }
        return nil
    }

    // MARK: Signing in with a passkey alone

    /// The authenticator verified its person: that is two factors.
    package func signIn(
        _ answer: PasskeyAnswer, browser secret: String, as kind: AuthSession.Kind, from device: Device, _ act: Act
    ) async throws -> SignIn {
        let found = try await store.kernelRead(KernelReason("identity.passkey_owner")) { db -> UserID? in
            try db.row(FactorTable.passkeyOf, Digest.sha256(answer.credential))?.id(2)
        }
        guard let user = found else {
            try await store.kernel(KernelReason("identity.passkey_unknown")) { db in
                let name = Hex.encode(Digest.sha256(answer.credential).prefix(8))
                try identity.journal(
                    "factor.failed", "unknown:\(name)", .denied, ["reason": "credential", "kind": "passkey"], tenant: nil, in: db, act)
            }
            throw FactorProblems.passkeyInvalid
        }
        // Proved before policy is asked: nobody learns by a stranger's passkey what policy says of its owner.
        let proved: Problem? = try await identity.change(KernelReason("identity.prove_passkey")) { db in
            Changed(
                try assert(answer, of: user, purpose: .first, bound: Array("browser:\(secret)".utf8), in: db, act), users: [user])
        }
        if let proved { throw proved }
        let consent = try await identity.askLogin(user, in: nil, method: "passkey", factors: 2, act)
        var provenance = Provenance(factor: "passkey")
        provenance.decision = consent?.decision
        let opening = try identity.opening(kind, user: user, provenance, for: consent?.atMost, device, act)
        let outcome: Result<(SealedAccount, MemberStanding), Problem> = try await identity.change(
            KernelReason("identity.open_passkey_session")
        ) { db in
            guard let account = try identity.account(user, in: db) else { return Changed(.failure(FactorProblems.passkeyInvalid)) }
            func refuse(_ problem: Problem) throws -> Changed<Result<(SealedAccount, MemberStanding), Problem>> {
                try identity.journal(
                    "session.refused", "user:\(user)", .denied, ["reason": .string(problem.code)], tenant: account.homeTenant, in: db, act)
                return Changed(.failure(problem))
            }
            guard account.status == .active else { return try refuse(try identity.closedProblem(user, in: db)) }
            // Removed in the meantime, or under suspicion.
            guard let row = try db.row(FactorTable.passkeyOf, Digest.sha256(answer.credential)).map(HeldPasskey.init), !row.isSuspect,
                row.user == user
            else { return try refuse(FactorProblems.passkeyInvalid) }
            switch try identity.openPlace(of: account, in: db, act) {
            case .failure(let problem): return try refuse(problem)
            case .success(let place):
                try identity.insert(opening, user: user, place, in: db, act)
                try db.run(FactorTable.prove, opening.session, act.now)
                try identity.meet(identity.fields.digest(Network(address: act.address)), of: user, opening, in: db, act)
                return Changed(.success((account, place)), users: [user])
            }
        }
        let (account, place) = try outcome.get()
        return try await identity.grant(opening, account, place, act)
    }

    /// A session that a tenant's provider opened is no proof of the account beyond that tenant, unless it proved a factor of the person's
    /// own: whoever runs that provider would else make the whole account its own.
    @discardableResult
    func requireOwnProof(_ caller: Principal) async throws -> Standings.Session {
        guard let session = try await identity.standing(of: caller.session) else { throw CommonProblems.unauthenticated }
        if session.isOfTenantsProvider, session.factorAt == nil { throw FederationProblems.sessionBound }
        return session
    }

    /// The first factor takes a session that has just begun: with one that was left open, somebody else would lock its owner out for good.
    func requireFreshProof(_ caller: Principal, _ act: Act) async throws {
        let session = try await requireOwnProof(caller)
        guard try await identity.standing(of: caller.user)?.hasFactor == false else { return }
        guard act.now < session.createdAt + settings.seconds(FactorSettings.stepUpSeconds) else { throw FactorProblems.signInAgain }
    }
}
