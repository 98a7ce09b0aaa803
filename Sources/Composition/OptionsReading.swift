import Foundation
import PluginHost
import Vocabulary

/// What the operator said, as it was found, and what becomes of it: settings in order, and secrets opened.
package struct OptionsReading: Sendable {
    let data: URL
    package let policies: URL
    let plugins: URL
    /// Text and name of the settings file; no text where there is none.
    let yaml: String?
    let file: String
    let environment: [String: String]

    package init(data: URL, policies: URL, plugins: URL, yaml: String?, file: String, environment: [String: String]) {
        self.data = data
        self.policies = policies
        self.plugins = plugins
        self.yaml = yaml
        self.file = file
        self.environment = environment
    }

    /// Without those of the platform's own secrets that are sealed: for asking the key services themselves.
    package func bare() throws -> PlatformOptions {
        let filled = try SecretSource(environment).filled()
        return try options(filled.filter { !SealedSecret.isSealed($0.value) || !SecretSource.ownNames.contains($0.key) })
    }

    /// With every secret of the platform; throws a sentence where one is sealed and no key service opens it. Nothing stands in for it.
    package func whole() async throws -> PlatformOptions {
        var filled = try SecretSource(environment).filled()
        let sealed = filled.filter { SealedSecret.isSealed($0.value) && SecretSource.ownNames.contains($0.key) }
        guard !sealed.isEmpty else { return try options(filled) }
        let bench = try await KeyServiceBench(try bare())
        let opened = OpenedSecrets(clock: SystemClock())
        await opened.open(sealed) { bench.service($0) }
        let services = Set(sealed.values.compactMap { try? SealedSecret($0).service })
        let refusals = services.sorted().compactMap { id in bench.refusal(id).map { "\(id) was refused: \($0)" } }
        await bench.close()
        do { for (name, text) in sealed { filled[name] = try opened.secret(name, text) } } catch {
            throw OperatorProblem((["\(error)"] + refusals).joined(separator: " "), .late)
        }
        return try options(filled)
    }

    private func options(_ environment: [String: String]) throws -> PlatformOptions {
        let reading = try SettingsFile(register: PlatformRegister.settings).read(yaml: yaml, name: file, environment: environment)
        return PlatformOptions(data: data, policies: policies, plugins: plugins, reading: reading, environment: environment)
    }
}
