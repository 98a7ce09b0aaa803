import Foundation

/// A file that a command writes for its operator.
package enum OwnFile {
    /// In one step, in the place of a file of that name or where there is none: whoever reads the old one goes on with it, and what stands
    /// there that is no file, a link among it, is neither followed nor waited for. Until it has `mode` nobody else can open it.
    package static func write(_ bytes: some DataProtocol, to file: URL, mode: mode_t = 0o600) throws {
        var status = stat()
        guard lstat(file.path, &status) != 0 || status.st_mode & S_IFMT == S_IFREG else {
            throw OperatorProblem("\(file.path) is no file, and is left alone")
        }
        var name = Array("\(file.path).XXXXXX".utf8CString)
        let descriptor = mkstemp(&name)
        guard descriptor >= 0 else { throw fault(file) }
        defer { close(descriptor) }
        do {
            let bytes = Array(bytes)
            var written = 0
            while written < bytes.count {
                let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress.map { $0 + written }, $0.count - written) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw fault(file) }
                written += count
            }
            guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0, rename(&name, file.path) == 0 else { throw fault(file) }
        } catch {
            unlink(&name)
            throw error
        }
    }
    private static func fault(_ file: URL) -> OperatorProblem {
        OperatorProblem("\(file.path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
