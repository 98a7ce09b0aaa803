import LuaShim

/// One defence of the boundary to Lua, from the one table in `LuaShimDefences.h`.
package struct PolicyDefence: Sendable {
    /// Its bit, for tests.
    package let number: Int
    package let name: String
    package let what: String
    package let against: String
    /// The hostile file that gets through without it.
    package let file: String

    package static let all: [PolicyDefence] = (0..<Int(LUASHIM_DEFENCE_COUNT)).compactMap { number in
        luashim_defence_at(number).map { row in
            PolicyDefence(
                number: number, name: String(cString: row.pointee.name), what: String(cString: row.pointee.what),
                against: String(cString: row.pointee.against), file: String(cString: row.pointee.file) + ".lua")
        }
    }
}
