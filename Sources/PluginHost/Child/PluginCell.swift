import Foundation
import PluginKit

/// What one plugin's child is started with, beside the plugin's context.
package struct PluginCell: Sendable {
    package var library: URL
    /// SHA-256 of the library.
    package var digest: String
    package var confinement: PluginConfinement
    /// Files that the operator named in settings which open them; everything else stays shut.
    package var files: [String]

    package init(library: URL, digest: String, confinement: PluginConfinement = PluginConfinement(), files: [String] = []) {
        self.library = library.standardizedFileURL
        self.digest = digest
        self.confinement = confinement
        self.files = files
    }

    /// The regular files that settings open. Never a folder, and never by a default of the plugin's own.
    package static func files(_ manifest: PluginManifest, _ settings: PluginSettings) -> [String] {
        manifest.settings.filter(\.opensFile).compactMap { settings[$0.name]?.string }.map { URL(fileURLWithPath: $0).path }.filter {
            path in
            var status = stat()
            return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        }
    }

    func arguments(_ id: String) -> [String] { [id, library.path, "\(confinement.memoryBytes)"] + files }
}

extension CheckedParts {
    func cell(_ copy: URL) -> PluginCell {
        PluginCell(library: copy, digest: digest, confinement: confinement, files: PluginCell.files(manifest, settings))
    }
}
