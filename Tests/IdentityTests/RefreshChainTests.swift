import Testing
import Vocabulary

@testable import Identity

/// The rotation of refresh tokens as a table: where the chain stands, what comes, what follows.
struct RefreshChainTests {
    static let start = Timestamp(seconds: 1_000_000)
    static let grace = Duration.seconds(30)

    static func secret(_ generation: Int64) -> [UInt8] { [UInt8](repeating: UInt8(generation), count: 32) }
    static func token(_ generation: Int64) -> RefreshChain.Presented {
        RefreshChain.Presented(generation: generation, digest: secret(generation), successorDigest: secret(generation + 1))
    }
    /// After `rotations`, the last one at `start`; expires a day later.
    static func chain(_ rotations: Int64, _ standing: RefreshChain.Standing = .active) -> RefreshChain {
        RefreshChain(
            standing: standing, generation: rotations, digest: secret(rotations), previous: rotations > 0 ? secret(rotations - 1) : nil,
            rotatedAt: rotations > 0 ? start : nil, expiresAt: start + .hours(24))
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let what: String
        var chain: RefreshChain
        let presented: RefreshChain.Presented
        let after: Duration
        let action: RefreshChain.Action
        var testDescription: String { what }
    }
    static let cases: [Case] = [
        Case(what: "the first token rotates", chain: chain(0), presented: token(0), after: .seconds(5), action: .rotate),
        Case(what: "the current token rotates, however old", chain: chain(3), presented: token(3), after: .hours(23), action: .rotate),
        Case(
            what: "the predecessor at once gives the same successor", chain: chain(3), presented: token(2), after: .zero,
            action: .repeatSuccessor),
        Case(what: "at 30 s to the microsecond still", chain: chain(3), presented: token(2), after: grace, action: .repeatSuccessor),
        Case(
            what: "one microsecond later it is reuse", chain: chain(3), presented: token(2), after: grace + .microseconds(1),
            action: .revokeFamily),
        Case(
            what: "the clock stepped back: the predecessor still gives the successor", chain: chain(3), presented: token(2),
            after: .seconds(-60), action: .repeatSuccessor),
        Case(
            what: "the one before the predecessor is reuse at any time", chain: chain(3), presented: token(1), after: .zero,
            action: .revokeFamily),
        Case(what: "the very first is reuse", chain: chain(3), presented: token(0), after: .zero, action: .revokeFamily),
        Case(
            what: "a token from the future (a restored backup) ends the session", chain: chain(3), presented: token(4), after: .zero,
            action: .revokeFamily),
        Case(
            what: "the right generation with another secret ends the session", chain: chain(3),
            presented: RefreshChain.Presented(generation: 3, digest: secret(9), successorDigest: secret(8)), after: .zero,
            action: .revokeFamily),
        Case(
            what: "the cap ends it to the microsecond", chain: chain(3), presented: token(3), after: .hours(24), action: .refuse(.expired)),
        Case(
            what: "one microsecond before the cap it still rotates", chain: chain(3), presented: token(3),
            after: .hours(24) - .microseconds(1),
            action: .rotate),
        Case(
            what: "past the cap even reuse is merely expired", chain: chain(3), presented: token(1), after: .hours(25),
            action: .refuse(.expired)),
        Case(
            what: "a revoked session rotates nothing", chain: chain(3, .revoked), presented: token(3), after: .zero,
            action: .refuse(.revoked)),
        Case(
            what: "a revoked session repeats nothing", chain: chain(3, .revoked), presented: token(2), after: .zero,
            action: .refuse(.revoked)),
    ]

    @Test("what comes decides what follows", arguments: cases)
    func table(_ item: Case) {
        var chain = item.chain
        let before = chain
        let now = Self.start + item.after
        let action = chain.present(item.presented, grace: Self.grace, now: now)
        #expect(action == item.action)
        switch item.action {
        case .rotate:
            #expect(chain.generation == before.generation + 1)
            #expect(chain.digest == item.presented.successorDigest)
            #expect(chain.previous == item.presented.digest)
            #expect(chain.rotatedAt == now)
            #expect(chain.standing == .active)
            #expect(chain.expiresAt == before.expiresAt, "no rotation moves the cap")
        case .repeatSuccessor, .refuse: #expect(chain == before)
        case .revokeFamily:
            #expect(chain.standing == .revoked)
            #expect(chain.generation == before.generation)
        }
    }

    @Test("with no grace a repeated token is reuse, unless it comes in the same microsecond")
    func noGrace() {
        var chain = Self.chain(1)
        let action = chain.present(Self.token(0), grace: .zero, now: Self.start + .microseconds(1))
        #expect(action == .revokeFamily)
    }

    @Test("revoking ends once")
    func revoke() {
        var chain = Self.chain(2)
        let (first, second) = (chain.revoke(), chain.revoke())
        #expect(first && !second)
        let action = chain.present(Self.token(2), grace: Self.grace, now: Self.start)
        #expect(action == .refuse(.revoked))
    }
}
