import Foundation
import PluginHost
import PluginKit
import Signing
import Vocabulary

/// The key services in service, as the key ring asks for them.
struct PluggedKeys: KeyHouses {
    let host: PluginHost

    func make(_ algorithm: KeyAlgorithm, name: String, in service: String) async throws -> [UInt8] {
        try await asked(service) { keys in
            let key = try await keys.makeKey(KeyRequest(name: name, algorithm: SigningAlgorithm(rawValue: algorithm.rawValue)))
            guard !key.isExtractable, key.standing == .usable else {
                throw KeyServiceError.refused("the key that it made could be read out of it, or does not sign")
            }
            return [UInt8](key.publicKey)
        }
    }

    func sign(_ message: [UInt8], _ algorithm: KeyAlgorithm, name: String, in service: String) async throws -> [UInt8] {
        // A digest is all that has to travel, where the algorithm allows it.
        let input: SigningInput = algorithm == .ed25519 ? .message(Data(message)) : .digest(Data(Digest.sha256(message)))
        return try await asked(service) { keys in
            [UInt8](
                try await keys.sign(
                    SigningRequest(key: name, algorithm: SigningAlgorithm(rawValue: algorithm.rawValue), input: input)))
        }
    }

    func fault(of service: String, keys names: [String]) async -> String? {
        do {
            return try await asked(service) { keys in
                try await keys.probe()
                for name in names where try await keys.readKey(name).standing != .usable { return "the key \(name) does not sign" }
                return nil
            }
        } catch SigningFault.service(_, let reason) { return reason } catch { return "\(error)" }
    }

    private func asked<Value>(_ service: String, _ work: (any KeyService) async throws -> Value) async throws -> Value {
        guard let keys = host.keyService(service) else { throw SigningFault.service(service, reason: absence(service)) }
        do { return try await work(keys) } catch let error as KeyServiceError {
            throw SigningFault.service(service, reason: error.description)
        }
    }

    private func absence(_ service: String) -> String {
        let report = host.report
        if report.disabled.contains(where: { $0.id == service }) { return "the plugin is switched off" }
        if let refused = report.refused.first(where: { $0.id == service }) { return "the plugin was refused: \(refused.sentence)" }
        return report.loaded.contains { $0.id == service } ? "the plugin is no key service" : "there is no such plugin at work"
    }
}

/// Key services for an operator's command, beside a running server or without one: no other plugin is started.
struct KeyServiceDesk {
    private let host: PluginHost
    private let ground: Ground

    init(_ data: DataDirectory, _ options: PlatformOptions, ring: KeyRing) async throws {
        ground = try Ground.beside(data, options, keys: ring)
        host = PluginHost(
            directory: options.plugins, copies: data.pluginCopies, services: ground.pluginHouse(options), only: .keyService)
        await host.load()
        ring.use(PluggedKeys(host: host))
    }

    /// What each service at work says of itself.
    func lines() async -> [String] {
        var lines: [String] = []
        for id in host.keyServices {
            guard let service = host.keyService(id) else { continue }
            let algorithms = service.algorithms.map(\.rawValue).sorted().joined(separator: ", ")
            let fault = await PluggedKeys(host: host).fault(of: id, keys: [])
            lines.append("\(id)  \(fault.map { "AWAY  \($0)" } ?? "answers")  \(algorithms)")
        }
        lines += host.report.refused.map { "\($0.id ?? $0.folder)  refused  \($0.sentence)" }
        return lines.isEmpty ? ["no key services: new keys lie in the ring's file"] : lines
    }

    /// Whether the key that the ring names is there, is the same, and stays there.
    func fault(of key: KeyInfo) async -> String? {
        guard case .service(let service, let name) = key.home else { return nil }
        guard let keys = host.keyService(service) else { return "\(service) is not at work" }
        do {
            let found = try await keys.readKey(name)
            if found.isExtractable { return "it can be read out of \(service)" }
            return found.standing == .usable ? nil : "it does not sign"
        } catch { return "\(error)" }
    }

    func close() async {
        await host.stop()
        await ground.close()
    }
}
