import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// Sign-in from a command line by a browser elsewhere (RFC 8628).
extension Federation {
    package struct DeviceAuthorization: Sendable {
        package let deviceCode: String
        /// `WDJB-MJHT`
        package let userCode: String
        package let verificationAddress: String
        package let expiresIn: Int64
        package let interval: Int
    }

    /// Without vowels, so that no word comes of it, and without signs that look alike: 20^8 codes.
    static let codeSigns = Array("BCDFGHJKLMNPQRSTVWXZ")
    static let codeLength = 8

    package func authorizeDevice(_ device: Device, _ act: Act) async throws -> DeviceAuthorization {
        let secret = drawn()
        let code = drawCode()
        let life = settings.seconds(FederationSettings.deviceSeconds)
        let interval = settings[FederationSettings.deviceInterval]
        try await store.kernel(KernelReason("identity.authorize_device")) { db in
            try db.run(
                FederationTable.insertGrant, deviceDigest(secret), codeDigest(code), device.label ?? "", interval, act.now, act.now + life)
        }
        let shown = "\(code.prefix(4))-\(code.suffix(4))"
        return DeviceAuthorization(
            deviceCode: secret, userCode: shown, verificationAddress: "\(parts.origin())/device", expiresIn: life.wholeSeconds,
            interval: interval)
    }

    /// Without bias: bytes past the last whole round of the signs are thrown away.
    private func drawCode() -> String {
        var code = ""
        while code.count < Self.codeLength {
            for byte in vault.entropy.bytes(32) where byte < 240 && code.count < Self.codeLength {
                code.append(Self.codeSigns[Int(byte) % 20])
            }
        }
        return code
    }

    /// As somebody typed it: case, spaces and hyphens do not count. Nil for what is no code.
    static func readCode(_ text: String) -> String? {
        guard text.utf8.count <= 40 else { return nil }
        let code = text.uppercased().filter { $0 != "-" && $0 != " " }
        return code.count == codeLength && code.allSatisfy(codeSigns.contains) ? code : nil
    }

    /// What waits under a code, for the person to recognise.
    package func waiting(_ text: String, _ act: Act) async throws -> (code: String, label: String, since: Timestamp) {
        guard let code = Self.readCode(text) else { throw FederationProblems.codeUnknown }
        let digest = codeDigest(code)
        let found = try await store.kernelRead(KernelReason("identity.device_waiting")) { db in
            try db.row(FederationTable.grantByCode, digest, act.now).map { (try $0.text(0), try $0.time(2)) }
        }
        guard let found else { throw FederationProblems.codeUnknown }
        return (code, found.0, found.1)
    }

    /// Somebody who is signed in answers. What the session was proved by goes over to the device's.
    package func answer(_ text: String, allows: Bool, _ caller: Principal, _ act: Act) async throws {
        guard let code = Self.readCode(text) else { throw FederationProblems.codeUnknown }
        let digest = codeDigest(code)
        try await store.kernel(KernelReason("identity.answer_device")) { db in
            let session: AuthSessionID? = allows ? caller.session : nil
            guard
                try db.row(FederationTable.answerGrant, digest, allows ? "approved" : "denied", session?.uuid.bytes, act.now) != nil
            else { throw FederationProblems.codeUnknown }
            try identity.journal(
                allows ? "device.approved" : "device.denied", "user:\(caller.user)", allows ? .success : .denied, [:],
                tenant: caller.tenant,
                in: db, act)
        }
    }

    private enum Poll: Sendable {
        case problem(Problem)
        case open(Identity.Opening, SealedAccount, MemberStanding)
    }

    /// The command line asks. Too often: the interval grows by five seconds, as it is told.
    package func redeemDevice(_ deviceCode: String, from device: Device, _ act: Act) async throws -> TokenGrant {
        guard deviceCode.utf8.count == 43 else { throw FederationProblems.expired }
        let digest = deviceDigest(deviceCode)
        let poll = try await store.kernel(KernelReason("identity.redeem_device")) { db -> Poll in
            guard let row = try db.row(FederationTable.grant, digest), act.now < (try row.time(4)) else {
                return .problem(FederationProblems.expired)
            }
            let (state, interval) = (try row.text(0), try row.int(1))
            // A tenth of a second for clocks and networks.
            if let polled = try row.optional(2, row.time), act.now + .milliseconds(100) < polled + .seconds(Int64(interval)) {
                try db.run(FederationTable.pollGrant, digest, act.now, min(interval + 5, 600))
                return .problem(FederationProblems.slowDown)
            }
            try db.run(FederationTable.pollGrant, digest, act.now, interval)
            switch state {
            case "pending": return .problem(FederationProblems.pending)
            case "denied": return .problem(FederationProblems.denied)
            case "approved":
                guard let session: AuthSessionID = try db.rows(FederationTable.spendGrant, digest).first?.id(0) else {
                    return .problem(FederationProblems.expired)
                }
                return try open(by: session, device, in: db, act)
            default: return .problem(FederationProblems.expired)
            }
        }
        switch poll {
        case .problem(let problem): throw problem
        case .open(let opening, let sealed, let place):
            guard case .refresh(let token) = opening.secret else { throw CommonProblems.internal }
            let account = try sealed.open(identity.fields)
            let access = try await identity.tokens.issue(account, place, session: opening.session, act)
            return TokenGrant(
                access: access, refreshToken: vault.mark.marked(token.text(vault.sealer)), account: account, place: place,
                session: opening.session)
        }
    }

    /// Only while the session that approved it still stands.
    private func open(by session: AuthSessionID, _ device: Device, in db: any KernelScope, _ act: Act) throws -> Poll {
        guard let row = try db.row(FederationTable.provenance, session), try row.text(2) == "active", act.now < (try row.time(3)),
            let account = try identity.account(try row.id(0), in: db), account.status == .active,
            let place = try identity.tenancy.standing(of: account.id, in: try row.id(1), db), place.isActive(at: act.now)
        else { return .problem(FederationProblems.denied) }
        guard place.admits(act.address, at: act.now) else { return .problem(CommonProblems.addressNotAllowed) }
        let provenance = Provenance(
            factor: try row.text(4), assertion: try row.optional(5, row.blob), providerKey: try row.optional(6, row.text),
            decision: try row.optional(7, row.id))
        let opening = try identity.opening(.token, user: account.id, provenance, device, act)
        try identity.insert(opening, user: account.id, place, in: db, act)
        try db.run(FactorTable.inherit, session, opening.session)
        return .open(opening, account, place)
    }

    private func deviceDigest(_ secret: String) -> [UInt8] { vault.sealer.digest(Array(secret.utf8), purpose: "identity.device_secret") }
    private func codeDigest(_ code: String) -> [UInt8] { vault.sealer.digest(Array(code.utf8), purpose: "identity.device_code") }
}
