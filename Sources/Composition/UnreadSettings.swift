import Foundation
import PluginHost
import PluginKit
import Vocabulary

/// What an operator said and nobody hears: a variable with the server's prefix that no setting has, a plugin's settings under an id that is not
/// there, a secret whose name is misspelt. The settings file itself is read strictly.
struct UnreadSettings {
    private static let prefix = "CODITECT_"
    /// Variables of the programs beside the server, which people have in the same shell.
    private static let foreign: Set<String> = ["CODITECT_SERVER", "CODITECT_OFFLINE"]
    static let most = 20

    private let options: PlatformOptions
    init(_ options: PlatformOptions) { self.options = options }

    /// A sentence for each, in their order; at most twenty.
    func sentences() -> [String] {
        let manifests = manifests()
        let secrets = Set(SecretSource.ownNames + manifests.flatMap { $0.secrets.map(\.name) })
        let settings = PlatformRegister.settings.flatMap { [$0.environmentName] + [$0.environment].compactMap { $0 } }
        let ofPlugins = manifests.flatMap { manifest in
            manifest.settings.compactMap(\.environment)
                + (manifest.settings.map(\.name) + PluginConfinement.names).map { Self.variable(of: manifest.id, $0) }
        }
        let known = secrets.union(settings).union(ofPlugins).union(secrets.map { $0 + "_FILE" })
        var found: [String] = []
        for (name, value) in options.environment.sorted(by: { $0.key < $1.key })
        where !known.contains(name) && !Self.foreign.contains(name) && !Self.isOfKubernetes(name, value) {
            let near = Self.nearest(name, known)
            if name.hasPrefix(Self.prefix) {
                found.append("the variable \(name) is read by nobody\(near.map { "; did you mean \($0)?" } ?? "")")
            } else if let near, secrets.contains(near.replacing("_FILE", with: "")), options.environment[near] == nil {
                found.append("the variable \(name) is read by nobody; did you mean \(near)?")
            }
        }
        let ids = Set(manifests.map(\.id))
        let ownWords = Set(PluginPlatformSettings.all.map { $0.path.replacing("plugins.", with: "") })
        for id in options.reading.plugins.keys.sorted() where !ids.contains(id) && !ownWords.contains(id) {
            let near = Self.nearest(id, ids).map { "; did you mean plugins.\($0)?" } ?? ""
            found.append("plugins.\(id) in the settings file is read by nobody: there is no plugin \(id) in \(options.plugins.path)\(near)")
        }
        guard found.count > Self.most else { return found }
        return found.prefix(Self.most) + ["and \(found.count - Self.most) more"]
    }

    private func manifests() -> [PluginManifest] {
        let folders = (try? FileManager.default.contentsOfDirectory(at: options.plugins, includingPropertiesForKeys: nil)) ?? []
        return folders.compactMap { try? PluginManifest(json: Data(contentsOf: $0.appendingPathComponent("plugin.json"))) }
    }
    private static func variable(of plugin: String, _ setting: String) -> String {
        prefix + "plugins_\(plugin)_\(setting)".uppercased().replacing("-", with: "_")
    }
    /// Kubernetes tells each pod of the services around it: of one named coditect in variables that begin as ours.
    private static func isOfKubernetes(_ name: String, _ value: String) -> Bool {
        name.hasSuffix("_SERVICE_HOST") || name.contains("_SERVICE_PORT") || name.contains(/_PORT_[0-9]+_(TCP|UDP|SCTP)/)
            || name.hasSuffix("_PORT") && value.contains(/^(tcp|udp|sctp):\/\//)
    }
    /// Near enough to be what was meant: one slip in eight letters.
    private static func nearest(_ name: String, _ known: Set<String>) -> String? {
        guard (6...200).contains(name.utf8.count) || !name.hasPrefix(prefix) else { return nil }
        let most = max(1, min(4, name.utf8.count / 8))
        return known.filter { abs($0.utf8.count - name.utf8.count) <= most }.map { ($0, SettingsFile.distance($0, name)) }
            .filter { $0.1 <= most }.min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
    }
}
