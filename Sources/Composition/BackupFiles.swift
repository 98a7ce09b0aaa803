import Foundation
import Signing
import Vocabulary

/// The pieces of a backup on the disk: written, sealed, read and hashed a mebibyte at a time. Each call blocks its thread.
enum BackupFiles {
    typealias Tell = @Sendable (String) -> Void

    /// Gives each piece of progress at most once in 64 MB.
    private static let tellEvery: Int64 = 64 << 20

    static func fault(_ file: URL) -> OperatorProblem {
        errno == ENOSPC || errno == EDQUOT
            ? OperatorProblem("the disk of \(file.path) is full: nothing is left of this attempt", .late)
            : OperatorProblem("\(file.path): \(String(cString: strerror(errno)))")
    }

    static func makeFolder(_ folder: URL) throws {
        guard mkdir(folder.path, 0o700) == 0 else { throw fault(folder) }
    }
    static func flush(_ folder: URL) {
        let descriptor = Glibc.open(folder.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        fsync(descriptor)
        Glibc.close(descriptor)
    }

    static func write(_ bytes: [UInt8], to file: URL) throws {
        let target = try Target(file, seal: nil)
        try target.write(bytes)
        _ = try target.finish(name: "")
    }
    /// Nil where there is none, or more than that.
    static func read(_ file: URL, maxBytes: Int) throws -> [UInt8]? {
        guard let source = try? Source(file) else { return nil }
        let bytes = try source.next(maxBytes + 1)
        return bytes.count > maxBytes ? nil : bytes
    }
    static func digest(_ file: URL, name: String, tell: Tell) throws -> (bytes: Int64, sha256: String) {
        let source = try Source(file)
        let digest = RunningDigest()
        var (bytes, told) = (Int64(0), Int64(0))
        while true {
            let some = try source.next(SealedStream.chunk)
            if some.isEmpty { return (bytes, Hex.encode(digest.finish())) }
            digest.add(some)
            bytes += Int64(some.count)
            if bytes - told >= tellEvery {
                told = bytes
                tell("checking \(name): \(bytes >> 20) MB")
            }
        }
    }

    /// What is in `file`, opened, piece by piece.
    static func unseal(_ file: URL, _ piece: BackupManifest.Piece, _ key: SecretBytes?, _ take: ([UInt8]) throws -> Void) throws {
        let source = try Source(file)
        guard piece.sealed else {
            while true {
                let some = try source.next(SealedStream.chunk)
                if some.isEmpty { return }
                try take(some)
            }
        }
        guard let key else { throw OperatorProblem("\(file.path) is sealed: give --key with the file of the key", .refused) }
        do {
            var stream = try SealedStream(opening: key, label: piece.name, head: try source.next(SealedStream.headCount))
            var box = try source.next(SealedStream.boxCount)
            while true {
                let next = box.count == SealedStream.boxCount ? try source.next(SealedStream.boxCount) : []
                try take(try stream.open(box[...], isLast: next.isEmpty))
                if next.isEmpty { return }
                box = next
            }
        } catch SigningFault.sealBroken {
            throw OperatorProblem("\(file.path) does not open with this key", .refused)
        }
    }

    /// A file that is read from its beginning.
    final class Source {
        private let descriptor: Int32
        private let file: URL
        init(_ file: URL) throws {
            self.file = file
            descriptor = Glibc.open(file.path, O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else { throw fault(file) }
        }
        deinit { close(descriptor) }

        /// Fewer than `count` at the end only.
        func next(_ count: Int) throws -> [UInt8] {
            var out = [UInt8](repeating: 0, count: count)
            var filled = 0
            while filled < count {
                let some = out.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress.map { $0 + filled }, count - filled) }
                if some < 0, errno == EINTR { continue }
                guard some >= 0 else { throw fault(file) }
                if some == 0 { break }
                filled += some
            }
            out.removeLast(count - filled)
            return out
        }
    }

    /// A new file, sealed on its way where there is a key.
    final class Target {
        private let descriptor: Int32
        private let file: URL
        private let digest = RunningDigest()
        private var stream: SealedStream?
        private var held: [UInt8] = []
        private(set) var bytes: Int64 = 0

        init(_ file: URL, seal: (key: SecretBytes, entropy: any Entropy)?) throws {
            self.file = file
            descriptor = Glibc.open(file.path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw fault(file) }
            if let seal {
                let stream = SealedStream(sealing: seal.key, label: file.lastPathComponent, salt: seal.entropy.bytes(32))
                self.stream = stream
                try put(stream.head)
            }
        }
        deinit { close(descriptor) }

        func write(_ some: [UInt8]) throws {
            guard stream != nil else { return try put(some) }
            held += some
            // One chunk stays back: it may be the last.
            var start = 0
            while held.count - start > SealedStream.chunk {
                let box = try stream?.seal(Array(held[start..<(start + SealedStream.chunk)]), isLast: false)
                try put(box ?? [])
                start += SealedStream.chunk
            }
            held.removeFirst(start)
        }

        /// On the disk when this returns.
        func finish(name: String) throws -> BackupManifest.Piece {
            let isSealed = stream != nil
            if let box = try stream?.seal(held, isLast: true) { try put(box) }
            guard fsync(descriptor) == 0 else { throw fault(file) }
            return BackupManifest.Piece(name: name, bytes: bytes, sha256: Hex.encode(digest.finish()), sealed: isSealed)
        }

        private func put(_ some: [UInt8]) throws {
            var written = 0
            while written < some.count {
                let count = some.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw fault(file) }
                written += count
            }
            digest.add(some)
            bytes += Int64(some.count)
        }
    }
}
