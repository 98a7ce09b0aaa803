import Foundation

/// The plugins that came with this server, by the list beside its program: `sha256sum` of each `plugin.json` and library. Whoever may write
/// there may replace the program itself, so what it lists is as trusted.
struct ShippedPlugins: Sendable {
    static let name = "shipped-plugins.sha256"
    /// By folder: what it holds, by file name.
    private let folders: [[String: String]]

    /// Beside the running program.
    init() {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        self.init(URL(fileURLWithPath: own).deletingLastPathComponent().appendingPathComponent(Self.name))
    }

    /// A list that everybody may write, or that is none, lists nothing.
    init(_ file: URL) {
        var status = stat()
        let isSafe = lstat(file.path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && status.st_mode & S_IWOTH == 0
        guard isSafe, status.st_size <= 65_536, let data = FileManager.default.contents(atPath: file.path) else {
            folders = []
            return
        }
        var found: [String: [String: String]] = [:]
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: " ", omittingEmptySubsequences: true)
            guard parts.count == 2, parts[0].utf8.count == 64 else { continue }
            let place = URL(fileURLWithPath: String(parts[1]))
            found[place.deletingLastPathComponent().path, default: [:]][place.lastPathComponent] = String(parts[0])
        }
        folders = Array(found.values)
    }

    func holds(_ name: String, json: String, library: String) -> Bool {
        folders.contains { $0["plugin.json"] == json && $0[name] == library }
    }
}
