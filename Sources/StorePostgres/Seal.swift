import Store
import Vocabulary

/// Whose rows a transaction may touch.
enum PostgresScope: Hashable {
    case tenant([UInt8])
    case kernel

    var role: String {
        switch self {
        case .tenant: PostgresRoles.tenant
        case .kernel: PostgresRoles.kernel
        }
    }
    var word: String {
        switch self {
        case .tenant: "tenant"
        case .kernel: "kernel"
        }
    }
    /// What `app.tenant_id` says.
    var tenantHex: String {
        switch self {
        case .tenant(let raw): raw.hexText
        case .kernel: ""
        }
    }
}

/// What makes an injected change of scope worthless: a keyed hash over scope, expiry and server process, which `coditect_guard.sealed`
/// computes again. HMAC-SHA-256 (RFC 2104) with its pads kept ready.
package struct Seal: Sendable {
    let inner: [UInt8]
    let outer: [UInt8]

    /// - Parameter key: 32 bytes.
    package init(key: [UInt8]) {
        let block = key + [UInt8](repeating: 0, count: 64 - key.count)
        inner = block.map { $0 ^ 0x36 }
        outer = block.map { $0 ^ 0x5c }
    }
    /// Every process of the platform derives the same from the platform's secret.
    package init(_ sealer: any Sealer) { self.init(key: sealer.digest(Array("scope".utf8), purpose: "store.postgres.seal")) }

    func text(_ scope: PostgresScope, expiry: Int64, backend: Int64) -> String {
        let message = "\(scope.word)|\(scope.tenantHex)|\(expiry)|\(backend)"
        let mac = StoreDigest.sha256(outer + StoreDigest.sha256(inner + Array(message.utf8)))
        return "\(expiry).\(mac.hexText)"
    }
}

extension [UInt8] {
    var hexText: String { map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined() }
}
