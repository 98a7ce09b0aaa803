import HookEngine
import LuaShim

/// What one call may cost.
package struct LuaLimits: Sendable {
    /// Instructions, and charged work of C functions: about 10 ns a unit.
    package var fuel: UInt64
    /// Backstop in processor time, at least ten times what the fuel is worth.
    package var cpu: Duration
    /// Zero for none, as everywhere but at a judge's: a busy machine denies nobody.
    package var wall: Duration = .zero
    package var memoryBytes: UInt64
    package var stringBytes: UInt64
    package var allocationBytes: UInt64
    package var depth: UInt32
    package var nodes: UInt32

    package init(
        fuel: UInt64, cpu: Duration, memoryBytes: UInt64 = 8 << 20, stringBytes: UInt64 = 256 << 10, allocationBytes: UInt64 = 256 << 20,
        depth: UInt32 = 16, nodes: UInt32 = 4_096
    ) {
        self.fuel = fuel
        self.cpu = cpu
        self.memoryBytes = memoryBytes
        self.stringBytes = stringBytes
        self.allocationBytes = allocationBytes
        self.depth = depth
        self.nodes = nodes
    }

    /// Of a decision: fuel worth under a millisecond, so that operators' policies may run where they are asked.
    package static let decision = LuaLimits(fuel: 100_000, cpu: .milliseconds(50), allocationBytes: 32 << 20)
    /// Of reading a file that describes something: init.lua, tiers.lua, a policy's own table, its tests.
    package static let description = LuaLimits(fuel: 2_000_000, cpu: .milliseconds(500), depth: 24, nodes: 50_000)
}

/// Why Lua gave no answer.
package struct LuaFault: Error, Sendable {
    package enum Kind: String, Sendable { case error, cpu, memory, cancelled, dead }
    package let kind: Kind
    /// Of the author's file; 0 where none is known.
    package let line: Int
    package let message: String
    /// Where in the answer a refused value stood; empty otherwise.
    package let path: String

    package var text: String {
        switch kind {
        case .error: message
        case .cpu: "ran out of its budget of instructions"
        case .memory: "ran out of its budget of memory"
        case .cancelled: "was cancelled"
        case .dead: "its state was stopped before"
        }
    }
}

/// One Lua state behind the C boundary. Whoever holds it calls it from one thread at a time.
package final class LuaState: @unchecked Sendable {  // the holder is alone with it: StatePool hands each state to one caller
    private let box: OpaquePointer
    /// Scratch for the input of the next call.
    var input = WireWriter()

    /// `missing` takes defences away, by the bits of `LuaShimDefences.h`; only tests have a use for it.
    package init(_ limits: LuaLimits, missing: UInt64 = 0) throws(LuaFault) {
        var raw = luashim_limits(
            fuel: limits.fuel, cpu_nanoseconds: UInt64(limits.cpu.microseconds) * 1_000,
            wall_nanoseconds: UInt64(limits.wall.microseconds) * 1_000, memory_bytes: limits.memoryBytes,
            string_bytes: limits.stringBytes, allocation_bytes: limits.allocationBytes, depth: limits.depth, nodes: limits.nodes)
        guard let box = luashim_create_without(&raw, missing) else {
            throw LuaFault(kind: .memory, line: 0, message: "no memory for a Lua state", path: "")
        }
        self.box = box
    }

    deinit { luashim_destroy(box) }

    /// Before the first load.
    func actions(_ names: [String]) throws(LuaFault) {
        var wire = WireWriter()
        wire.list(names)
        try check(wire.with { luashim_actions(box, $0, $1) })
    }

    /// Shapes are numbered in the order of these calls, from 0.
    func shape(_ label: String, _ names: [String]) throws(LuaFault) {
        var wire = WireWriter()
        wire.list([label] + names)
        try check(wire.with { luashim_shape(box, $0, $1) })
    }

    /// Compiles without running.
    package func load(_ source: String) throws(LuaFault) -> UInt32 { try load(bytes: Array(source.utf8)) }

    /// Whatever the bytes are: the compiler refuses what is no Lua text.
    package func load(bytes: [UInt8]) throws(LuaFault) -> UInt32 {
        var unit: UInt32 = 0
        let status = bytes.withUnsafeBufferPointer { raw in
            raw.withMemoryRebound(to: CChar.self) { luashim_load(box, $0.baseAddress, $0.count, &unit) }
        }
        try check(status)
        return unit
    }

    func bind(_ unit: UInt32, settings: HookValue, data: HookValue) throws(LuaFault) {
        var first = WireWriter()
        first.value(settings)
        var second = WireWriter()
        second.value(data)
        let status = first.with { settings, settingsLength in
            second.with { luashim_bind(box, unit, settings, settingsLength, $0, $1) }
        }
        try check(status)
    }

    /// What the chunk returns; functions and mixed tables are allowed.
    func describe(_ unit: UInt32) throws(LuaFault) -> WireValue {
        try check(call(unit, entry: nil, seed: 0, describes: true, optional: false))
        return try answer()
    }

    /// What the entry answers to the scratch input.
    func ask(_ unit: UInt32, _ entry: String, seed: UInt64) throws(LuaFault) -> WireValue {
        try check(call(unit, entry: entry, seed: seed, describes: false, optional: false))
        return try answer()
    }

    /// Of an unknown chunk: what it returns, or what `entry` answers if it returns a table with one.
    func run(_ unit: UInt32, entry: String) throws(LuaFault) -> WireValue {
        try check(call(unit, entry: entry, seed: 0, describes: false, optional: true))
        return try answer()
    }

    /// Of the last call.
    package var fuel: UInt64 { luashim_last(box).fuel }
    /// The line that the last call blames or names.
    var line: Int { Int(luashim_last(box).line) }
    package var liveBytes: UInt64 { luashim_last(box).live_bytes }

    /// From any thread.
    package func cancel() { luashim_cancel(box) }

    private func call(_ unit: UInt32, entry: String?, seed: UInt64, describes: Bool, optional: Bool) -> luashim_status {
        func run(_ name: UnsafePointer<CChar>?) -> luashim_status {
            input.with { bytes, length in
                var request = luashim_request(
                    unit: unit, entry: name, input: bytes, input_length: length, seed: seed, describes: describes,
                    entry_optional: optional)
                return luashim_call(box, &request)
            }
        }
        guard let entry else { return run(nil) }
        return entry.withCString(run)
    }

    private func answer() throws(LuaFault) -> WireValue {
        let report = luashim_last(box)
        var reader = WireReader(UnsafeRawBufferPointer(start: report.answer, count: report.answer_length))
        guard let value = reader.value() else {
            throw LuaFault(kind: .error, line: 0, message: "the answer cannot be read", path: "")
        }
        return value
    }

    private func check(_ status: luashim_status) throws(LuaFault) {
        let kind: LuaFault.Kind
        switch status {
        case LUASHIM_OK: return
        case LUASHIM_ERROR: kind = .error
        case LUASHIM_KILLED_CPU: kind = .cpu
        case LUASHIM_KILLED_MEMORY: kind = .memory
        case LUASHIM_CANCELLED: kind = .cancelled
        default: kind = .dead
        }
        let report = luashim_last(box)
        throw LuaFault(
            kind: kind, line: Int(report.line), message: report.message.map { String(cString: $0) } ?? "",
            path: report.path.map { String(cString: $0) } ?? "")
    }
}
