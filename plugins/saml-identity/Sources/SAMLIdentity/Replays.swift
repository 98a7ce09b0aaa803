import Foundation
import PluginKit

/// Which assertions were used, for as long as they could be used again: over restarts and for every process of the server.
struct Replays: Sendable {
    let space: any PluginSpace
    static let sweptAtOnce = 20

    /// Throws `notBelieved` for one that was seen. What cannot be remembered is not believed either.
    func use(_ id: String, of issuer: String, until end: Timestamp, now: Timestamp) async throws {
        let digest = PluginDigest.sha256(Data("\(issuer)\0\(id)".utf8)).map { Self.hex($0) }.joined()
        let isNew: Bool
        do {
            try await sweep(now)
            isNew = try await space.replace("used/\(Self.place(end))/\(digest)", expecting: nil, with: Data([1]))
        } catch let failure as PluginSpaceFailure {
            throw IdentityProviderError.unreachable("used assertions cannot be remembered: \(failure)")
        }
        guard isNew else { throw IdentityProviderError.notBelieved(.replay, reason: "the assertion was used before") }
    }

    /// In the order of time, so that those that have ended come first.
    private func sweep(_ now: Timestamp) async throws {
        for key in try await space.keys(prefix: "used/", after: nil, limit: Self.sweptAtOnce) where key < "used/\(Self.place(now))" {
            try await space.remove(key)
        }
    }
    private static func place(_ time: Timestamp) -> String {
        let digits = String(max(0, time.seconds))
        return String(repeating: "0", count: max(0, 12 - digits.count)) + digits
    }
    private static func hex(_ byte: UInt8) -> String { String(byte >> 4, radix: 16) + String(byte & 15, radix: 16) }
}
