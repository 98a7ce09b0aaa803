import Foundation
import HookEngine

/// The sets that were live, each a folder of its files under the name of its hash: what a roll back and a replay go to.
package struct PolicyArchive: Sendable {
    package let directory: URL
    let keeps: Int

    package init(directory: URL, keeps: Int = 50) {
        self.directory = directory
        self.keeps = keeps
    }

    /// Keeps the files under their hash, whole or not at all; the sets that were live longest ago go.
    func store(_ files: [String: String], _ hash: PolicySetHash) throws {
        let manager = FileManager.default
        let folder = directory.appending(path: hash.hex)
        if manager.fileExists(atPath: folder.path) {
            // Live again: the newest once more.
            utimes(folder.path, nil)
        } else {
            let draft = directory.appending(path: ".draft-\(getpid())-\(hash.hex)")
            try? manager.removeItem(at: draft)
            for (path, text) in files {
                let file = draft.appending(path: path)
                try manager.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
                try Data(text.utf8).write(to: file)
            }
            guard rename(draft.path, folder.path) == 0 else {
                try? manager.removeItem(at: draft)
                throw PolicyRefusal(findings: [PolicyFinding(file: folder.path, line: 0, message: String(cString: strerror(errno)))])
            }
        }
        for old in list().dropFirst(keeps) { try? manager.removeItem(at: directory.appending(path: old.hex)) }
    }

    private static let catalogue = "hooks.json"

    /// Notes under which definitions a kept set was live; the latest count.
    package func note(_ catalogue: HookCatalogue, of hash: PolicySetHash) throws {
        let folder = directory.appending(path: hash.hex)
        guard FileManager.default.fileExists(atPath: folder.path) else { return }
        try Data(catalogue.json.utf8).write(to: folder.appending(path: Self.catalogue), options: .atomic)
    }

    /// The file of the definitions under which a kept set was live last; the newest set's without a hash. Nil where none was noted.
    package func catalogue(_ hash: PolicySetHash? = nil) -> URL? {
        guard let kept = hash ?? list().first else { return nil }
        let file = directory.appending(path: kept.hex).appending(path: Self.catalogue)
        return FileManager.default.fileExists(atPath: file.path) ? file : nil
    }

    /// Newest first.
    package func list() -> [PolicySetHash] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        let found = names.compactMap { name -> (PolicySetHash, Int, Int)? in
            guard name.utf8.count == 64, name.allSatisfy(\.isHexDigit) else { return nil }
            var status = stat()
            guard stat(directory.appending(path: name).path, &status) == 0 else { return nil }
            return (PolicySetHash(hex: name), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec))
        }
        return found.sorted { ($0.1, $0.2, $0.0.hex) > ($1.1, $1.2, $1.0.hex) }.map(\.0)
    }

    /// The folder of the one set whose hash begins so; nil where there is none or more than one.
    package func folder(_ beginning: String) -> URL? {
        let found = list().filter { $0.hex.hasPrefix(beginning.lowercased()) }
        return found.count == 1 && beginning.count >= 4 ? directory.appending(path: found[0].hex) : nil
    }
}
