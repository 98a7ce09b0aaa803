import Foundation
import Vocabulary

/// A folder for as long as a command runs. Nobody else on the machine can foretell its name or come into it: plugins are loaded out of it.
package struct ScratchFolder: Sendable {
    package let url: URL

    /// - Parameter use: a part of the name.
    package init(_ use: String) throws {
        let place = FileManager.default.temporaryDirectory
        var name = Array(place.appendingPathComponent("coditect-\(use)-XXXXXX").path.utf8CString)
        // Makes it with mode 0700, and never takes one that is there.
        guard mkdtemp(&name) != nil else {
            let reason = String(cString: strerror(errno))
            throw OperatorProblem("no folder could be made in \(place.path): \(reason); TMPDIR names another place")
        }
        url = URL(fileURLWithPath: String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
    }
    package func remove() { try? FileManager.default.removeItem(at: url) }
}
