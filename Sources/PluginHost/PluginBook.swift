import Foundation
import PluginKit

/// What operators decided about plugins, kept over restarts: which are switched off, which is being upgraded to what, and how far.
package struct PluginBook: Codable, Sendable, Hashable {
    package struct Entry: Codable, Sendable, Hashable {
        package var isDisabled = false
        package var upgrade: PluginUpgrade?
        package init() {}
    }
    /// Something that was decided; the server journals it and strikes it out. It stands beside its effect from the same write on, so that a crash
    /// in between loses neither.
    package struct Decision: Codable, Sendable, Hashable {
        package var plugin: String
        package var action: String
        package var details: [String: String]
        /// Who decided it over HTTP, and in which request; nil at the command line, and where the host itself did.
        package var by: By?
        package struct By: Codable, Sendable, Hashable {
            package var user: String
            package var session: String
            package var request: String
            package var address: String?
            package init(user: String, session: String, request: String, address: String?) {
                self.user = user
                self.session = session
                self.request = request
                self.address = address
            }
        }
        package init(_ action: String, _ plugin: String, _ details: [String: String] = [:]) {
            self.action = action
            self.plugin = plugin
            self.details = details
        }
    }
    /// Counts changes, so that whoever made one can see that it was taken up.
    package var generation = 0
    package var plugins: [String: Entry] = [:]
    package var decisions: [Decision] = []
    package init() {}
}

/// A new version of one plugin, and how far it got. One with which the process ends again and again is returned like one that fails.
///
/// `canary` → `promoted`, when somebody says so; `canary` or `promoted` → `returned`, by hand or because it failed. A returned one stays away.
package struct PluginUpgrade: Codable, Sendable, Hashable {
    package enum Standing: String, Codable, Sendable, Hashable { case canary, promoted, returned }
    /// Name of the staged files.
    package var package: String
    package var version: String
    /// The files in the plugins folder that it replaces; when other files appear there, they count again.
    package var replaces: String
    package var share: CanaryShare
    package var standing: Standing
    /// Why it was returned.
    package var reason: String?
    /// How many processes in a row have started it and neither stopped in order nor lasted a minute.
    package var starts = 0
    package init(package: String, version: String, replaces: String, share: CanaryShare, standing: Standing) {
        self.package = package
        self.version = version
        self.replaces = replaces
        self.share = share
        self.standing = standing
    }
}

/// Whose calls the new version gets: named tenants, and a share of all by a hash that stays the same.
package struct CanaryShare: Codable, Sendable, Hashable {
    package var basisPoints: Int
    package var tenants: [String]
    package init(basisPoints: Int, tenants: [String] = []) {
        self.basisPoints = basisPoints
        self.tenants = tenants
    }

    /// The same tenants always, and with a larger share those and more.
    package func takes(_ tenant: String, of plugin: String) -> Bool {
        if tenants.contains(tenant) { return true }
        let mark = PluginDigest.sha256(Data("coditect plugin canary\0\(plugin)\0\(tenant)".utf8))
        return mark.prefix(4).reduce(0) { $0 << 8 | Int($1) } % 10_000 < basisPoints
    }
}

/// The book as a file that the server and its commands share: read whole, written whole, changed by one at a time.
package struct PluginShelf: Sendable {
    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String
    }
    /// The folder in the data directory that holds copies, staged files and the book.
    package let folder: URL
    package init(_ folder: URL) { self.folder = folder }

    package var file: URL { folder.appendingPathComponent("book.json") }
    /// What the server said last about its plugins, for commands beside it.
    package var standing: URL { folder.appendingPathComponent("standing.json") }
    package func staged(_ package: String) -> URL { folder.appendingPathComponent("staged").appendingPathComponent(package) }

    package func read() throws -> PluginBook {
        guard let data = FileManager.default.contents(atPath: file.path) else {
            if FileManager.default.fileExists(atPath: file.path) { throw Unreadable(description: "\(file.path) cannot be read") }
            return PluginBook()
        }
        do { return try JSONDecoder().decode(PluginBook.self, from: data) } catch {
            throw Unreadable(description: "\(file.path) is damaged: remove it to begin anew, with every plugin on and no upgrade")
        }
    }

    /// Changes the book and gives its new generation; nothing is written where nothing changed.
    @discardableResult
    package func change(_ edit: (inout PluginBook) throws -> Void) throws -> Int {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let lock = open(folder.appendingPathComponent("book.lock").path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard lock >= 0, flock(lock, LOCK_EX) == 0 else { throw Unreadable(description: "\(folder.path) cannot be locked") }
        defer { close(lock) }
        let before = try read()
        var book = before
        try edit(&book)
        guard book != before else { return before.generation }
        book.generation += 1
        book.plugins = book.plugins.filter { $0.value != PluginBook.Entry() }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try encoder.encode(book).write(to: file, options: .atomic)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
        return book.generation
    }

    /// Copies a plugin's files under a name that they alone have, and gives that name. The server checks them when it takes them up.
    package func stage(_ place: URL) throws -> (package: String, manifest: PluginManifest) {
        let files = try PluginFiles(place)
        let home = staged(files.name)
        if !FileManager.default.fileExists(atPath: home.path) {
            let part = staged(".\(files.name).\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: part, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            for (name, data) in files.contents {
                let file = part.appendingPathComponent(name)
                try data.write(to: file)
                try FileManager.default.setAttributes([.posixPermissions: 0o400], ofItemAtPath: file.path)
            }
            // Whoever comes second finds the same files there.
            if rename(part.path, home.path) != 0 { try? FileManager.default.removeItem(at: part) }
        }
        return (files.name, files.manifest)
    }
}

/// The files that make a plugin, read once.
package struct PluginFiles {
    package let manifest: PluginManifest
    /// SHA-256 over all of them.
    package let name: String
    /// Of the library.
    let digest: String
    let contents: [(String, Data)]

    /// Throws a sentence about what is missing.
    package init(_ place: URL) throws {
        let json: Data
        do { json = try CheckedParts.bounded(place.appendingPathComponent("plugin.json"), PluginManifest.maxBytes) } catch {
            throw PluginRefusal("\(place.path) has no plugin.json that can be read.")
        }
        do { manifest = try PluginManifest(json: json) } catch { throw PluginRefusal("\(error)") }
        // What everybody on the machine could have changed is not taken along, nor what a link leads to.
        let library: Data
        do { library = try CheckedParts.library(manifest.library, in: place) } catch {
            throw PluginRefusal("\(place.path): \((error as? Refusal)?.reason ?? "\(error)")")
        }
        var contents = [("plugin.json", json), (manifest.library, library)]
        for name in [PluginSeal.list, PluginSeal.signature] {
            if let data = FileManager.default.contents(atPath: place.appendingPathComponent(name).path), data.count <= 4_096 {
                contents.append((name, data))
            }
        }
        self.contents = contents
        let digest = PluginDigest.hex(PluginDigest.sha256(library))
        self.digest = digest
        let lines = contents.enumerated().map { index, file in
            "\(file.0) \(index == 1 ? digest : PluginDigest.hex(PluginDigest.sha256(file.1)))\n"
        }.joined()
        name = PluginDigest.hex(PluginDigest.sha256(Data(lines.utf8)))
    }
}
