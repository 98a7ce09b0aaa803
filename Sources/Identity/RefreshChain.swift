import Vocabulary

/// The chain of refresh tokens of one session, as a pure machine: event in, action out.
///
/// active --present current--> active (next generation)
/// active --present predecessor within the grace--> active (the same successor again)
/// active --present any other token of ours, or revoke--> revoked, for good
struct RefreshChain: Sendable, Hashable {
    enum Standing: String, Sendable, Hashable { case active, revoked }

    var standing: Standing
    /// 0 for the token given at sign-in; each rotation adds one.
    var generation: Int64
    /// Of the secret of this generation.
    var digest: [UInt8]
    /// Of the secret before, once there was a rotation.
    var previous: [UInt8]?
    var rotatedAt: Timestamp?
    let expiresAt: Timestamp

    struct Presented: Sendable, Hashable {
        let generation: Int64
        let digest: [UInt8]
        /// Of the secret that follows from the presented one.
        let successorDigest: [UInt8]
    }

    enum Action: Sendable, Hashable {
        /// The presented token is spent; its successor is current.
        case rotate
        /// The answer was lost: the same successor again, nothing changes.
        case repeatSuccessor
        /// A spent token came back: the whole family ends.
        case revokeFamily
        case refuse(Refusal)
    }
    enum Refusal: String, Sendable, Hashable { case revoked, expired }

    /// `presented` carries our own mark, so it was issued for this session at some time; nothing else reaches this machine.
    mutating func present(_ presented: Presented, grace: Duration, now: Timestamp) -> Action {
        guard standing == .active else { return .refuse(.revoked) }
        guard now < expiresAt else { return .refuse(.expired) }
        if presented.generation == generation, presented.digest == digest {
            previous = digest
            digest = presented.successorDigest
            generation += 1
            rotatedAt = now
            return .rotate
        }
        if let previous, let rotatedAt, presented.generation == generation - 1, presented.digest == previous, now <= rotatedAt + grace {
            return .repeatSuccessor
        }
        standing = .revoked
        return .revokeFamily
    }

    /// True if this ended it; false if it had ended before.
    mutating func revoke() -> Bool {
        guard standing == .active else { return false }
        standing = .revoked
        return true
    }
}
