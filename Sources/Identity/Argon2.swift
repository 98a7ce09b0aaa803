import CArgon2
import Foundation
import Store
import Vocabulary

/// The cost of a guess.
package struct Argon2Parameters: Sendable, Hashable {
    package let memoryKiB: Int
    package let iterations: Int
    package let parallelism: Int
    package init(memoryKiB: Int, iterations: Int, parallelism: Int) {
        self.memoryKiB = memoryKiB
        self.iterations = iterations
        self.parallelism = parallelism
    }
    package init(_ settings: Settings) {
        self.init(
            memoryKiB: settings[IdentitySettings.argonMemory], iterations: settings[IdentitySettings.argonIterations],
            parallelism: settings[IdentitySettings.argonParallelism])
    }

    /// Of a stored hash, `$argon2id$v=19$m=19456,t=2,p=1$…`; nil for anything else.
    init?(encoded: String) {
        let parts = encoded.split(separator: "$", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[1] == "argon2id", parts[2] == "v=19" else { return nil }
        var values: [Substring: Int] = [:]
        for pair in parts[3].split(separator: ",") {
            let sides = pair.split(separator: "=")
            guard sides.count == 2, let value = Int(sides[1]) else { return nil }
            values[sides[0]] = value
        }
        guard let memory = values["m"], let iterations = values["t"], let parallelism = values["p"] else { return nil }
        self.init(memoryKiB: memory, iterations: iterations, parallelism: parallelism)
    }
    /// Whether a hash made with `old` should be made again: some cost rose.
    func exceed(_ old: Argon2Parameters) -> Bool {
        memoryKiB > old.memoryKiB || iterations > old.iterations || parallelism > old.parallelism
    }
}

/// Makes and checks password hashes without ever blocking the caller's thread.
package protocol PasswordHashing: Sendable {
    /// Throws `temporarily_unavailable` when too many wait.
    func hash(_ password: String) async throws -> String
    /// Costs the same whether or not `encoded` is there: nil is checked against a hash of nobody's, and is false.
    func verify(_ password: String, against encoded: String?) async throws -> Bool
    /// Whether today's parameters ask for more than the stored hash paid.
    func isOutdated(_ encoded: String) -> Bool
}

/// Argon2id (RFC 9106) over a keyed digest of the password, so that the table alone cannot be attacked, on threads of its own.
package final class Argon2Hasher: PasswordHashing {
    struct Failure: Error { let code: Int32 }
    private static let saltBytes = 16
    private static let hashBytes = 32

    private let parameters: Argon2Parameters
    private let pool: HashPool
    private let sealer: any Sealer
    private let entropy: any Entropy
    /// Matches no password: its hash was never made from one.
    let nobody: String

    package init(parameters: Argon2Parameters, pool: HashPool, sealer: any Sealer, entropy: any Entropy) {
        self.parameters = parameters
        self.pool = pool
        self.sealer = sealer
        self.entropy = entropy
        let fill = { (count: Int) in Data(entropy.bytes(count)).base64EncodedString().replacing("=", with: "") }
        nobody =
            "$argon2id$v=19$m=\(parameters.memoryKiB),t=\(parameters.iterations),p=\(parameters.parallelism)"
            + "$\(fill(Self.saltBytes))$\(fill(Self.hashBytes))"
    }

    package func hash(_ password: String) async throws -> String {
        let (secret, salt, cost) = (keyed(password), entropy.bytes(Self.saltBytes), parameters)
        return try await pool.run { try Self.encode(secret, salt, cost) }
    }

    package func verify(_ password: String, against encoded: String?) async throws -> Bool {
        let (secret, target) = (keyed(password), encoded ?? nobody)
        let matches = try await pool.run { argon2id_verify(target, secret, secret.count) == ARGON2_OK.rawValue }
        return matches && encoded != nil
    }

    package func isOutdated(_ encoded: String) -> Bool {
        guard let old = Argon2Parameters(encoded: encoded) else { return true }
        return parameters.exceed(old)
    }

    /// Two ways to type one password are one password: canonical composition (RFC 8265, OpaqueString).
    private func keyed(_ password: String) -> [UInt8] {
        sealer.digest(Array(password.precomposedStringWithCanonicalMapping.utf8), purpose: "identity.password")
    }

    private static func encode(_ secret: [UInt8], _ salt: [UInt8], _ cost: Argon2Parameters) throws -> String {
        let (t, m, p) = (UInt32(cost.iterations), UInt32(cost.memoryKiB), UInt32(cost.parallelism))
        let length = argon2_encodedlen(t, m, p, UInt32(salt.count), UInt32(hashBytes), Argon2_id)
        var out = [CChar](repeating: 0, count: length)
        let code = argon2id_hash_encoded(t, m, p, secret, secret.count, salt, salt.count, hashBytes, &out, out.count)
        guard code == ARGON2_OK.rawValue else { throw Failure(code: code) }
        return String(decoding: out.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
