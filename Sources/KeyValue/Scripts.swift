/// A step that the shared store takes as one: nobody gets between its reads and its writes.
package struct Script: Sendable, Hashable {
    package let name: String
    /// Lua as Redis runs it: `KEYS`, `ARGV`, `redis.call`. Every key it touches shares the hash tag of its first.
    package let text: String
    package init(_ name: String, _ text: String) {
        self.name = name
        self.text = text
    }
}

package enum ScriptArgument: Sendable, Hashable {
    case text(String)
    case bytes([UInt8])
    case integer(Int64)
}

/// What a script answers. Numbers are whole; anything finer comes as text.
package enum ScriptValue: Sendable, Hashable {
    case integer(Int64)
    case bytes([UInt8])
    case list([ScriptValue])
    case none

    package var integer: Int64? {
        switch self {
        case .integer(let value): value
        case .bytes(let bytes): Int64(String(decoding: bytes, as: UTF8.self))
        case .list, .none: nil
        }
    }
    package var bytes: [UInt8]? { if case .bytes(let bytes) = self { bytes } else { nil } }
    package var list: [ScriptValue]? { if case .list(let list) = self { list } else { nil } }
}

package struct ScriptAnswer: Sendable, Hashable {
    package let value: ScriptValue
    /// Which memory answered: another name after a restart, a fail-over or a change of role, since then something may be missing.
    package let memory: String
    package init(value: ScriptValue, memory: String) {
        self.value = value
        self.memory = memory
    }
}

/// A shared store that runs scripts. Throws `KeyValueFault.away` where it cannot be reached in time; the step may have been
/// taken all the same.
package protocol ScriptRunner: Sendable {
    func run(_ script: Script, keys: [String], _ arguments: [ScriptArgument]) async throws -> ScriptAnswer
}
