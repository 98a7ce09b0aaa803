import Foundation
import PluginWire
import WallShim

/// What the server says on the command line: no secret, so that an operator sees in a list of processes whose child it is.
struct Terms {
    let id: String
    let library: String
    let memoryBytes: UInt64
    /// Files that the operator opened to the plugin by naming them in its settings.
    let files: [String]

    /// `coditect-plugin-child ID LIBRARY MEMORY_BYTES [FILE…]`
    init?(_ arguments: [String]) {
        guard arguments.count >= 4, arguments[2].hasPrefix("/"), let bytes = UInt64(arguments[3]) else { return nil }
        id = arguments[1]
        library = arguments[2]
        memoryBytes = bytes
        files = Array(arguments[4...])
    }
}

struct NoConfinement: Error, CustomStringConvertible { let description: String }

enum Confinement {
    /// Builds the walls around this process, for good. Throws where one of them cannot be built: then no plugin may be loaded.
    static func enter(_ terms: Terms) throws -> ToHost.Walls {
        // libdispatch looks at its threads in /proc/self/task, and crashes where it cannot.
        let system = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/proc/self/task"]
        let readable = system + [terms.library] + terms.files + runtime()
        var landlock: Int32 = 0
        var why = [CChar](repeating: 0, count: 300)
        let texts = readable.map { strdup($0) }
        defer { for text in texts { free(text) } }
        let status = (texts.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { list in
            var prison = prison_terms(memory_bytes: terms.memoryBytes, readable: list.baseAddress)
            return prison_enter(&prison, &landlock, &why, why.count)
        }
        guard status == 0 else {
            throw NoConfinement(description: String(decoding: why.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
        }
        return ToHost.Walls(landlock: Int(landlock))
    }

    /// The libraries that this process already uses, and those of the Swift runtime beside them, file by file: their folder may hold more.
    private static func runtime() -> [String] {
        let file = try? FileHandle(forReadingFrom: URL(fileURLWithPath: "/proc/self/maps"))
        let maps = String(decoding: (try? file?.readToEnd()) ?? Data(), as: UTF8.self)
        let mapped = Set(maps.split(separator: "\n").compactMap { $0.split(separator: " ", maxSplits: 5).last }.map(String.init))
            .filter { $0.hasPrefix("/") }
        guard let core = mapped.first(where: { $0.hasSuffix("/libswiftCore.so") }) else { return Array(mapped) }
        let folder = URL(fileURLWithPath: core).deletingLastPathComponent().path
        let beside = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .filter { $0.hasPrefix("lib") && $0.contains(".so") }.map { "\(folder)/\($0)" }
        return Array(mapped) + beside
    }
}
