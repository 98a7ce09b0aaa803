import Foundation

/// A set that failed too often after it went live, and gave way to the one before. It stays away, over restarts too, until its folder is
/// changed or somebody insists on it.
package struct PolicyWithdrawal: Sendable, Hashable, Codable {
    package let set: String
    package let back: String
    package let why: String
    package let time: String

    package var description: String {
        "\(set.prefix(12)) was rolled back to \(back.prefix(12)) at \(time): \(why); change the folder, or promote it again, to have it back"
    }
}

extension PolicyArchive {
    private static let mostWithdrawals = 50
    private var withdrawn: URL { directory.appending(path: "withdrawn.jsonl") }

    /// Oldest first. A line that cannot be read is none.
    package func withdrawals() -> [PolicyWithdrawal] {
        let text = (try? String(contentsOf: withdrawn, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { try? JSONDecoder().decode(PolicyWithdrawal.self, from: Data($0.utf8)) }
    }

    package func withdrawal(of hash: PolicySetHash) -> PolicyWithdrawal? { withdrawals().last { $0.set == hash.hex } }

    func withdraw(_ withdrawal: PolicyWithdrawal) throws {
        try keep(withdrawals().filter { $0.set != withdrawal.set }.suffix(Self.mostWithdrawals - 1) + [withdrawal])
    }

    /// Somebody insists on the set.
    package func readmit(_ hash: PolicySetHash) throws {
        let all = withdrawals()
        let left = all.filter { $0.set != hash.hex }
        if left.count < all.count { try keep(left) }
    }

    // MARK: Probation

    private struct Trial: Codable {
        let set: String
        let before: String
    }
    private var trial: URL { directory.appending(path: "probation.json") }

    /// From now on `set` has to prove itself, in later processes too; nil: nobody has. A disk that is full keeps nobody from going live.
    func tries(_ set: PolicySetHash?, before: PolicySetHash?) {
        guard let set, let before, let text = try? JSONEncoder().encode(Trial(set: set.hex, before: before.hex)) else {
            try? FileManager.default.removeItem(at: trial)
            return
        }
        try? text.write(to: trial, options: .atomic)
    }

    /// What was live before a set that has not proved itself yet.
    func before(_ set: PolicySetHash) -> String? {
        guard let data = try? Data(contentsOf: trial), let found = try? JSONDecoder().decode(Trial.self, from: data) else { return nil }
        return found.set == set.hex ? found.before : nil
    }

    /// Whole or not at all.
    private func keep(_ all: [PolicyWithdrawal]) throws {
        try FileManager.default.createDirectory(
            at: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var text = Data()
        for item in all { text += try encoder.encode(item) + [10] }
        try text.write(to: withdrawn, options: .atomic)
    }
}
