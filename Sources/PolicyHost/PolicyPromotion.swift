import Foundation
import HookEngine

/// Puts another set in the place of a directory's: whole, tested, and only if the directory still holds what the caller means to replace.
/// The directory is exchanged in one step, so whoever reads it sees the one set or the other. A running server takes it up by itself.
package struct PolicyPromotion: Sendable {
    private let directory: URL
    private let archive: PolicyArchive
    private let builder: PolicySetBuilder

    package init(directory: URL, archive: PolicyArchive, definitions: [HookDefinition], data: [DataFile], verdicts: PolicyVerdicts? = nil) {
        self.directory = directory
        self.archive = archive
        builder = PolicySetBuilder(definitions: definitions, dataFiles: data, limits: .decision, states: 1, verdicts: verdicts)
    }

    package struct Done: Sendable {
        package let before: PolicySetHash
        package let after: PolicySetHash
    }

    /// The directory is not what the caller means to replace.
    package struct Moved: Error, Sendable, CustomStringConvertible {
        package let now: PolicySetHash
        package let replacing: String
        package var description: String {
            "the policies are \(now.short) by now, not \(replacing): compare the two before you replace them"
        }
    }

    /// Throws `PolicyRefusal` with every finding, or `Moved`. `replacing` is the beginning of a hash, eight signs at least: of the
    /// directory's set, or of the one that it was rolled back to. With `expecting` the candidate must still be that set.
    package func promote(_ candidate: URL, replacing: String, expecting: PolicySetHash? = nil) throws -> Done {
        try PolicyThreads.runAndWait { Result { try exchange(candidate, replacing: replacing, expecting: expecting) } }.get()
    }

    private func exchange(_ candidate: URL, replacing: String, expecting: PolicySetHash?) throws -> Done {
        try FileManager.default.createDirectory(
            at: archive.directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let lock = open(archive.directory.appending(path: ".lock").path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        defer { if lock >= 0 { close(lock) } }
        guard lock >= 0, flock(lock, LOCK_EX) == 0 else { throw fault("the archive cannot be locked") }
        var findings = Findings(label: directory.lastPathComponent)
        guard let current = builder.assemble(PolicyDirectory.read(directory, &findings), &findings) else {
            throw PolicyRefusal(findings: findings.all)
        }
        let inForce = archive.withdrawal(of: current.set.hash)?.back ?? current.set.hash.hex
        guard replacing.utf8.count >= 8, [current.set.hash.hex, inForce].contains(where: { $0.hasPrefix(replacing.lowercased()) }) else {
            throw Moved(now: PolicySetHash(hex: inForce), replacing: replacing)
        }
        let built = try builder.build(candidate)
        // A kept set is known by its hash: whoever asks for it must not be given what somebody has put in its place.
        if PolicyFileBytes.realPath(candidate.deletingLastPathComponent().path) == PolicyFileBytes.realPath(archive.directory.path),
            candidate.lastPathComponent != built.set.hash.hex
        {
            throw fault("the kept set \(candidate.lastPathComponent.prefix(12)) was edited: it holds \(built.set.hash.short) by now")
        }
        if let expecting, built.set.hash != expecting {
            throw fault("\(candidate.path) is \(built.set.hash.short) by now, not the candidate \(expecting.short) that was judged")
        }
        try archive.store(current.directory.files, current.set.hash)
        try archive.store(built.files, built.set.hash)
        try archive.readmit(built.set.hash)
        try swap(current.directory.files, built.files)
        return Done(before: current.set.hash, after: built.set.hash)
    }

    /// What is no policy file, a README or an editor's settings, stays as it is.
    private func swap(_ old: [String: String], _ new: [String: String]) throws {
        let manager = FileManager.default
        let place = directory.resolvingSymlinksInPath()
        let draft = place.deletingLastPathComponent().appending(path: ".\(place.lastPathComponent)-\(getpid())")
        try? manager.removeItem(at: draft)
        defer { try? manager.removeItem(at: draft) }
        try manager.copyItem(at: place, to: draft)
        for path in old.keys where new[path] == nil { try manager.removeItem(at: draft.appending(path: path)) }
        // By bytes: to Swift, two ways to write one letter are equal.
        for (path, text) in new where old[path].map({ !$0.utf8.elementsEqual(text.utf8) }) ?? true {
            let file = draft.appending(path: path)
            Self.unlink(path, in: draft)
            try manager.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
        }
        guard Self.exchange(draft.path, place.path) else {
            throw fault("\(place.path) cannot be exchanged: \(String(cString: strerror(errno))); is it a mount of its own?")
        }
    }

    /// A link on the way would have the file written somewhere else.
    private static func unlink(_ path: String, in draft: URL) {
        var place = draft
        for part in path.split(separator: "/") {
            place.append(path: String(part))
            var status = stat()
            guard lstat(place.path, &status) == 0 else { return }
            if status.st_mode & S_IFMT == S_IFLNK {
                try? FileManager.default.removeItem(at: place)
                return
            }
        }
    }

    /// rename(2) cannot replace a folder that is not empty; renameat2(2), which Glibc's module does not show, exchanges the two in one step.
    private static func exchange(_ left: String, _ right: String) -> Bool {
        typealias Call = @convention(c) (Int32, UnsafePointer<CChar>, Int32, UnsafePointer<CChar>, UInt32) -> Int32
        let exchanging: UInt32 = 2  // RENAME_EXCHANGE
        guard let symbol = dlsym(nil, "renameat2") else {
            errno = ENOSYS
            return false
        }
        return unsafeBitCast(symbol, to: Call.self)(AT_FDCWD, left, AT_FDCWD, right, exchanging) == 0
    }

    private func fault(_ message: String) -> PolicyRefusal {
        PolicyRefusal(findings: [PolicyFinding(file: directory.lastPathComponent, line: 0, message: message)])
    }
}
