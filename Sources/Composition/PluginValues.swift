import Foundation
import PluginHost
import Store
import Vocabulary

/// Where plugins keep their values: the store, each value sealed for its very place.
struct PluginValues: Sendable {
    private static let reason = KernelReason("plugins.values")
    private static let get = SQL("plugins.get_value", "SELECT box FROM plugin_value WHERE plugin = $1 AND space = $2 AND name = $3")
    private static let count = SQL("plugins.count_values", "SELECT count(*) FROM plugin_value WHERE plugin = $1")
    private static let put = SQL(
        "plugins.put_value",
        """
        INSERT INTO plugin_value (plugin, space, name, box) VALUES ($1, $2, $3, $4)
        ON CONFLICT (plugin, space, name) DO UPDATE SET box = excluded.box
        """)
    private static let remove = SQL("plugins.remove_value", "DELETE FROM plugin_value WHERE plugin = $1 AND space = $2 AND name = $3")
    private static let list = SQL(
        "plugins.list_names",
        """
        SELECT name FROM plugin_value WHERE plugin = $1 AND space = $2 AND name > $3 AND substr(name, 1, length($4)) = $4
        ORDER BY name LIMIT $5
        """)

    let store: any Store
    let sealer: any Sealer

    private static func context(_ key: String, _ space: PluginSpaceName) -> String {
        "plugin.value:\(space.plugin)/\(space.tenant ?? "")/\(key)"
    }

    func value(_ key: String, in space: PluginSpaceName) async throws -> Data? {
        let box = try await store.kernelRead(Self.reason) { db in
            try db.row(Self.get, space.plugin, space.tenant ?? "", key)?.blob(0)
        }
        return try box.map { Data(try sealer.open($0, context: Self.context(key, space))) }
    }

    func put(_ key: String, _ value: Data, in space: PluginSpaceName, if condition: PutCondition) async throws -> Bool {
        let box = try sealer.seal([UInt8](value), context: Self.context(key, space))
        return try await store.kernel(Self.reason) { db in
            let held = try db.row(Self.get, space.plugin, space.tenant ?? "", key)?.blob(0)
            switch condition {
            case .always: break
            case .absent: guard held == nil else { return false }
            case .holds(let expected):
                guard let held, try sealer.open(held, context: Self.context(key, space)) == [UInt8](expected) else { return false }
            }
            if held == nil, let used = try db.row(Self.count, space.plugin)?.int(0), used >= PluginSpaceLimits.maxKeys {
                throw PluginSpaceFailure.full("the plugin holds \(used) values, the most it may")
            }
            try db.run(Self.put, space.plugin, space.tenant ?? "", key, box)
            return true
        }
    }

    func remove(_ key: String, in space: PluginSpaceName) async throws {
        try await store.kernel(Self.reason) { db in try db.run(Self.remove, space.plugin, space.tenant ?? "", key) }
    }

    func names(prefix: String, after: String?, limit: Int, in space: PluginSpaceName) async throws -> [String] {
        try await store.kernelRead(Self.reason) { db in
            try db.rows(Self.list, [space.plugin, space.tenant ?? "", after ?? "", prefix, limit]).map { try $0.text(0) }
        }
    }
}
