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
            try FileHandle(fileDescriptor: descriptor).write(contentsOf: bytes)
            guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0, rename(&name, file.path) == 0 else { throw fault(file) }
        } catch {
            unlink(&name)
            throw error is OperatorProblem ? error : OperatorProblem("\(file.path) cannot be written: \(error.localizedDescription)")
        }
    }
    private static func fault(_ file: URL) -> OperatorProblem {
        OperatorProblem("\(file.path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
