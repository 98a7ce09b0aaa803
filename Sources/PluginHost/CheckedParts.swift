import Foundation
import PluginKit
import PluginNote

/// Everything about one plugin that can be known, and was found in order, before any of its code runs.
struct CheckedParts {
    let folder: String
    let manifest: PluginManifest
    let confinement: PluginConfinement
    let settings: PluginSettings
    let secrets: PluginSecrets
    let library: Data
    let digest: String
    /// The trusted publisher who signed it; nil where nobody did.
    let publisher: String?
    let fingerprint: Int

    /// Throws `Refusal`. `id` is told as soon as it is known.
    init(_ place: URL, services: any PluginHostServices, id: (String) throws -> Void) throws {
        folder = place.lastPathComponent
        let json: Data
        (manifest, json) = try CheckedParts.manifest(in: place)
        try id(manifest.id)
        var given = services.settings(of: manifest.id)
        if let name = manifest.settings.map(\.name).first(where: PluginConfinement.names.contains) {
            throw Refusal(.manifestInvalid, "plugin.json: settings names \(name), which is the server's own word.")
        }
        var confinement = try PluginConfinement(takenFrom: &given, plugin: manifest.id) { services.environment($0) }
        do {
            settings = try CheckedParts.settings(manifest, given, services)
            secrets = try CheckedParts.secrets(manifest, services)
        } catch {
            guard CheckedParts.isUntouched(manifest, given, services) else { throw error }
            throw Refusal(.notSetUp, CheckedParts.wants(manifest))
        }
        library = try CheckedParts.library(manifest.library, in: place)
        digest = PluginDigest.hex(PluginDigest.sha256(library))
        publisher = try PluginSeal.check(place, manifest, json: json, digest: digest, services)
        let isTrusted =
            publisher != nil || services.isShipped(manifest.library, json: PluginDigest.hex(PluginDigest.sha256(json)), library: digest)
        if !confinement.isSaid, isTrusted { confinement.isolation = .inProcess }
        self.confinement = confinement
        try CheckedParts.check(LibraryFile(library), against: manifest)
        var hasher = Hasher()
        hasher.combine(manifest)
        hasher.combine(confinement)
        hasher.combine(settings)
        hasher.combine(secrets)
        hasher.combine(digest)
        hasher.combine(publisher)
        fingerprint = hasher.finalize()
    }

    static let kit = PluginManifest.KitVersion(major: BuiltNote.kitMajor, minor: BuiltNote.kitMinor)
    static let compiler = CompilerVersion(
        major: BuiltNote.compiler.major, minor: BuiltNote.compiler.minor, patch: BuiltNote.compiler.patch)

    func context(_ services: any PluginHostServices) -> PluginContext {
        let id = manifest.id
        let site = HostSite(webhook: manifest.webhook, services: services)
        var context = PluginContext(
            id: id, settings: settings, secrets: secrets, http: Egress(manifest, settings, site: site, services: services),
            space: HostSpace(name: PluginSpaceName(plugin: id, tenant: nil), services: services),
            tenantSpace: { HostSpace(name: PluginSpaceName(plugin: id, tenant: $0), services: services) },
            log: HostLog(plugin: id, secrets: secrets, services: services), clock: HostClock(services: services), site: site)
        context.streams = StreamEgress(manifest, settings, services: services)
        context.signatures = HostSignatures(services: services)
        if manifest.folder { context.folder = services.folder(of: id, maxBytes: confinement.folderBytes) }
        return context
    }

    static func manifest(in place: URL) throws -> (PluginManifest, Data) {
        let file = place.appendingPathComponent("plugin.json")
        let data: Data
        do { data = try bounded(file, PluginManifest.maxBytes) } catch { throw Refusal(.manifestMissing, "plugin.json cannot be read.") }
        do { return (try PluginManifest(json: data), data) } catch { throw Refusal(.manifestInvalid, "\(error)") }
    }

    private static func settings(
        _ manifest: PluginManifest, _ given: [String: JSONValue], _ services: any PluginHostServices
    ) throws -> PluginSettings {
        var given = given
        var faults: [String] = []
        for schema in manifest.settings {
            for name in variables(of: schema, manifest) {
                guard let text = services.environment(name), !text.isEmpty else { continue }
                if let value = schema.value(fromText: text) {
                    given[schema.name] = value
                } else {
                    faults.append("The variable \(name) does not hold a value for the setting \(schema.name).")
                }
            }
        }
        switch manifest.settings(from: given) {
        case .success(let settings) where faults.isEmpty: return placed(settings, services)
        case .success: throw Refusal(.settingsInvalid, faults.joined(separator: " "))
        case .failure(let fault): throw Refusal(.settingsInvalid, (faults + fault.sentences).joined(separator: " "))
        }
    }

    /// A path below `{data}` lies in the server's data directory: only so can a manifest have a default for it.
    private static func placed(_ settings: PluginSettings, _ services: any PluginHostServices) -> PluginSettings {
        guard let data = services.dataFolder() else { return settings }
        return PluginSettings(
            settings.values.mapValues { value in
                guard let text = value.string, text.hasPrefix("{data}/") else { return value }
                return .string(data.path + text.dropFirst("{data}".count))
            })
    }

    private static func variables(of schema: PluginManifest.SettingSchema, _ manifest: PluginManifest) -> [String] {
        let path = "plugins_\(manifest.id)_\(schema.name)"
        return ["CODITECT_" + path.uppercased().replacing("-", with: "_")] + [schema.environment].compactMap { $0 }
    }

    /// Nobody gave it anything: no setting in the file, no variable, no secret.
    private static func isUntouched(
        _ manifest: PluginManifest, _ given: [String: JSONValue], _ services: any PluginHostServices
    ) -> Bool {
        given.isEmpty
            && !manifest.settings.flatMap { variables(of: $0, manifest) }.contains { services.environment($0)?.isEmpty == false }
            && !manifest.secrets.contains { secret in
                // What cannot be read was given.
                do { return try services.secret(secret.name)?.isEmpty == false } catch { return true }
            }
    }

    /// How it is set up, in one line.
    private static func wants(_ manifest: PluginManifest) -> String {
        let settings = manifest.settings.filter(\.isRequired)
        let secrets = manifest.secrets.filter(\.isRequired).map(\.name)
        var wants: [String] = []
        if let first = settings.first {
            wants.append(
                "\(settings.map(\.name).joined(separator: ", ")) under plugins.\(manifest.id) in the settings file (or \(variables(of: first, manifest)[0]), … in the environment)"
            )
        }
        if !secrets.isEmpty { wants.append("\(secrets.joined(separator: ", ")) in the environment") }
        return "Not set up. To use it, give \(wants.joined(separator: ", and ")). The others go on without it."
    }

    private static func secrets(_ manifest: PluginManifest, _ services: any PluginHostServices) throws -> PluginSecrets {
        var found: [String: [String]] = [:]
        var missing: [String] = []
        for secret in manifest.secrets {
            let text: String
            do { text = try services.secret(secret.name) ?? "" } catch { throw Refusal(.secretUnreadable, "\(error)") }
            let values = (secret.isList ? text.split(separator: ",").map(String.init) : [text])
                .map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }.filter { !$0.isEmpty }
            if values.isEmpty, secret.isRequired { missing.append(secret.name) }
            if !values.isEmpty { found[secret.name] = values }
        }
        guard missing.isEmpty else {
            throw Refusal(.secretMissing, "\(missing.joined(separator: " and ")) \(missing.count == 1 ? "is" : "are") not set.")
        }
        return PluginSecrets(found)
    }

    static func library(_ name: String, in place: URL) throws -> Data {
        let file = place.appendingPathComponent(name)
        for path in [file.path, place.path] {
            var status = stat()
            guard lstat(path, &status) == 0 else { throw Refusal(.libraryMissing, "\(name) is not beside plugin.json.") }
            if path == file.path, status.st_mode & S_IFMT != S_IFREG { throw Refusal(.libraryMissing, "\(name) is no regular file.") }
            if status.st_mode & S_IWOTH != 0 { throw Refusal(.libraryExposed, "\(path) can be written by everybody on this machine.") }
        }
        do { return try bounded(file, LibraryFile.maxBytes) } catch { throw Refusal(.libraryMissing, "\(name) cannot be read.") }
    }

    private static func check(_ file: LibraryFile, against manifest: PluginManifest) throws {
        guard let note = file.note else { throw Refusal(.noteMissing, "\(manifest.library) carries no note of the plugin kit.") }
        guard note.kit.major == kit.major else {
            throw Refusal(.kitMajorDiffers, "\(manifest.library) was built with kit \(note.kit); this server has kit \(kit).")
        }
        guard note.kit.minor <= kit.minor else {
            throw Refusal(.kitTooNew, "\(manifest.library) was built with kit \(note.kit), newer than this server's kit \(kit).")
        }
        guard note.compiler == compiler else {
            throw Refusal(.compilerDiffers, "\(manifest.library) was built with \(note.compiler); this server was built with \(compiler).")
        }
        guard note.kit == manifest.kit else {
            throw Refusal(.manifestDisagrees, "plugin.json says kit \(manifest.kit), the library says kit \(note.kit).")
        }
        guard file.needed.contains("libPluginKit.so") else {
            throw Refusal(.kitNotShared, "\(manifest.library) does not link libPluginKit.so.")
        }
        guard !file.holdsKit else { throw Refusal(.kitNotShared, "\(manifest.library) holds a copy of the kit of its own.") }
    }

    /// Reads a file of at most `limit` bytes.
    static func bounded(_ file: URL, _ limit: Int) throws -> Data {
        let handle = try FileHandle(forReadingFrom: file)
        defer { try? handle.close() }
        let data = try handle.read(upToCount: limit + 1) ?? Data()
        guard data.count <= limit else { throw Refusal(.libraryMissing, "too large") }
        return data
    }
}
