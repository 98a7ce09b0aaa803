import Foundation
import PluginKit

/// A key-value space in memory, with the limits of the real one.
public actor MemorySpace: PluginSpace {
    public private(set) var values: [String: Data] = [:]
    public init() {}

    public func get(_ key: String) throws -> Data? {
        try check(key)
        return values[key]
    }
    public func set(_ key: String, _ value: Data) throws {
        try check(key, value)
        values[key] = value
    }
    public func remove(_ key: String) throws {
        try check(key)
        values[key] = nil
    }
    public func replace(_ key: String, expecting expected: Data?, with value: Data) throws -> Bool {
        try check(key, value)
        guard values[key] == expected else { return false }
        values[key] = value
        return true
    }
    public func keys(prefix: String, after: String?, limit: Int) -> [String] {
        Array(values.keys.filter { $0.hasPrefix(prefix) && $0 > after ?? "" }.sorted().prefix(min(max(1, limit), 1_000)))
    }
    private func check(_ key: String, _ value: Data? = nil) throws {
        if let fault = PluginSpaceLimits.fault(inKey: key) { throw PluginSpaceFailure.invalid(fault) }
        if let value, value.count > PluginSpaceLimits.maxValueBytes {
            throw PluginSpaceFailure.invalid("a value has at most \(PluginSpaceLimits.maxValueBytes) bytes")
        }
    }
}
