import Foundation
import Signing
import Vocabulary

/// Where secrets come from: a variable of the environment, a file that the variable `NAME_FILE` names, or a file `NAME` in the folder of
/// systemd's credentials. Files are read anew at each use, so that a changed one is a rotated secret.
package struct SecretSource: Sendable {
    /// What the operator is told; holds names and paths, never a secret.
    package struct Unreadable: Error, CustomStringConvertible {
        package let description: String
    }
    static let maxBytes = 65_536
    package let variables: [String: String]
    package init(_ variables: [String: String]) { self.variables = variables }

    /// Nil where nobody gave one. Blanks and line ends around it are not part of it.
    package func secret(_ name: String) throws -> String? {
        let direct = variables[name].flatMap { $0.isEmpty ? nil : $0 }
        if direct != nil, let named = variables[name + "_FILE"], !named.isEmpty {
            throw Unreadable(description: "\(name) and \(name)_FILE are both set.")
        }
        if let direct { return direct }
        guard let file = file(name) else { return nil }
        return try Self.read(name, file)
    }

    /// The file in which a secret lies, if it lies in one.
    package func file(_ name: String) -> URL? {
        if let path = variables[name + "_FILE"], !path.isEmpty { return URL(fileURLWithPath: path) }
        guard let folder = variables["CREDENTIALS_DIRECTORY"], !folder.isEmpty else { return nil }
        let file = URL(fileURLWithPath: folder).appendingPathComponent(name)
        return FileManager.default.fileExists(atPath: file.path) ? file : nil
    }

    static func read(_ name: String, _ file: URL) throws -> String {
        var status = stat()
        guard stat(file.path, &status) == 0 else {
            throw Unreadable(description: "\(name) should lie in \(file.path), which is not there.")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Unreadable(description: "\(file.path), for \(name), is no regular file.") }
        guard status.st_mode & S_IWOTH == 0 else {
            throw Unreadable(description: "\(file.path), for \(name), can be written by everybody on this machine.")
        }
        guard status.st_size <= Self.maxBytes, let data = FileManager.default.contents(atPath: file.path),
            let text = String(data: data, encoding: .utf8)
        else { throw Unreadable(description: "\(file.path), for \(name), cannot be read as a text of at most \(Self.maxBytes) bytes.") }
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !trimmed.isEmpty else { throw Unreadable(description: "\(file.path), for \(name), is empty.") }
        return trimmed
    }

    /// Secrets of the platform itself, which it needs before it has plugins.
    static var ownNames: [String] {
        [MasterKey.variable]
            + PlatformRegister.settings.filter(\.isSecret).flatMap { [$0.environmentName] + [$0.environment].compactMap { $0 } }
    }

    /// The environment with each secret of the platform itself filled from its file, where it has one; sealed ones as they are.
    package func filled() throws -> [String: String] {
        var filled = variables
        for name in Self.ownNames { if let value = try secret(name) { filled[name] = value } }
        return filled
    }
}
