import Vocabulary

/// What a room does when a person is erased. Composition hands the list over; whoever looks up the address comes before Identity, which
/// destroys the key. Every call may be repeated after a crash and must then end in the same state.
package protocol PersonErasure: Sendable {
    /// `identity`: names the step in journal and outcome.
    var name: String { get }
    /// Destroys what tells who the person is, and says what stays, under the bare id, and why.
    func erase(_ person: UserID, _ act: Act) async throws -> [ClosureRemainder]
}
