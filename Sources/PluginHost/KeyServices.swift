import Foundation
import PluginKit

/// A key service as the house sees it: calls are bounded in number and time and counted for draining, what it answers is checked like any
/// other input from outside, and an error that is none of the kit's counts as "unavailable": signing again does no harm.
struct GuardedKeyService: KeyService {
    let plugin: String
    let service: any KeyService
    let gate: WorkGate
    /// What must not stand in an error.
    let secrets: PluginSecrets
    let services: any PluginHostServices

    var algorithms: Set<SigningAlgorithm> { service.algorithms }

    func makeKey(_ request: KeyRequest) async throws -> ServiceKey {
        try check(request.name)
        guard algorithms.contains(request.algorithm) else { throw KeyServiceError.notSupported(request.algorithm) }
        return try await entered(KeyServiceLimits.makingSeconds) { [service] in
            let key = try await service.makeKey(request)
            guard key.algorithm == request.algorithm else { throw KeyServiceError.refused("it made a key of another algorithm") }
            return try Self.checked(key, named: request.name)
        }
    }
    func readKey(_ name: String) async throws -> ServiceKey {
        try check(name)
        return try await entered { [service] in try Self.checked(try await service.readKey(name), named: name) }
    }
    func listKeys(prefix: String, after: String?) async throws -> [ServiceKey] {
        try await entered { [service] in
            let keys = try await service.listKeys(prefix: prefix, after: after)
            guard keys.count <= KeyServiceLimits.maxListed, zip(keys, keys.dropFirst()).allSatisfy({ $0.name < $1.name }) else {
                throw KeyServiceError.refused("it listed too many keys, or not in their order")
            }
            for key in keys {
                guard key.name.hasPrefix(prefix), after.map({ $0 < key.name }) ?? true else {
                    throw KeyServiceError.refused("it listed keys that were not asked for")
                }
                _ = try Self.checked(key, named: key.name)
            }
            return keys
        }
    }
    func sign(_ request: SigningRequest) async throws -> Data {
        try check(request.key)
        guard algorithms.contains(request.algorithm) else { throw KeyServiceError.notSupported(request.algorithm) }
        switch request.input {
        case .message(let message):
            guard message.count <= KeyServiceLimits.maxMessageBytes else { throw KeyServiceError.refused("the message is too large") }
        case .digest(let digest):
            guard digest.count == 32, request.algorithm != .ed25519 else { throw KeyServiceError.refused("that is no digest to sign") }
        @unknown default: throw KeyServiceError.refused("that is nothing to sign")
        }
        return try await entered { [service] in
            let signature = try await service.sign(request)
            guard signature.count == request.algorithm.signatureBytes else {
                throw KeyServiceError.refused("it answered a signature of \(signature.count) bytes")
            }
            return signature
        }
    }
    func probe() async throws { try await entered { [service] in try await service.probe() } }

    var wrapsSecrets: Bool { service.wrapsSecrets }
    func makeWrappingKey(_ name: String) async throws {
        try check(name)
        try await entered(KeyServiceLimits.makingSeconds) { [service] in try await service.makeWrappingKey(name) }
    }
    func wrap(_ request: WrappingRequest) async throws -> Data {
        try check(request, upTo: KeyServiceLimits.maxWrappedBytes)
        return try await entered { [service] in
            let box = try await service.wrap(request)
            guard (request.data.count...KeyServiceLimits.maxBoxBytes).contains(box.count), box.range(of: request.data) == nil else {
                throw KeyServiceError.refused("it answered no box around the secret")
            }
            return box
        }
    }
    func unwrap(_ request: WrappingRequest) async throws -> Data {
        try check(request, upTo: KeyServiceLimits.maxBoxBytes)
        return try await entered { [service] in
            let secret = try await service.unwrap(request)
            guard (1...KeyServiceLimits.maxWrappedBytes).contains(secret.count) else {
                throw KeyServiceError.refused("it answered a secret of \(secret.count) bytes")
            }
            return secret
        }
    }
    private func check(_ request: WrappingRequest, upTo limit: Int) throws {
        try check(request.key)
        guard wrapsSecrets else { throw KeyServiceError.refused("\(plugin) wraps no secrets") }
        guard (1...limit).contains(request.data.count), request.context.count <= KeyServiceLimits.maxContextBytes else {
            throw KeyServiceError.refused("that is empty or too large to be wrapped")
        }
    }

    private func check(_ name: String) throws {
        if let fault = KeyServiceLimits.fault(inName: name) { throw KeyServiceError.refused(fault) }
    }
    private static func checked(_ key: ServiceKey, named name: String) throws -> ServiceKey {
        guard key.name == name, KeyServiceLimits.fault(inName: name) == nil, (32...1_024).contains(key.publicKey.count) else {
            throw KeyServiceError.refused("it answered another key, or one without a usable public key")
        }
        return key
    }

    private func entered<Value: Sendable>(
        _ seconds: Int = KeyServiceLimits.answerSeconds, _ work: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        do {
            // A second for the way: the service's own answer says more.
            return try await bounded(.seconds(Int64(seconds + 1)), HostClock(services: services), work)
        } catch is TooSlow {
            throw KeyServiceError.unavailable("\(plugin) did not answer within \(seconds) s")
        } catch let error as CancellationError {
            throw error
        } catch let error as KeyServiceError {
            throw cleaned(error)
        } catch {
            throw KeyServiceError.unavailable(text("\(plugin) failed: \(error)"))
        }
    }
    private func cleaned(_ error: KeyServiceError) -> KeyServiceError {
        switch error {
        case .unavailable(let reason): .unavailable(text(reason))
        case .refused(let reason): .refused(text(reason))
        case .unknownKey(let name): .unknownKey(text(name))
        case .notSupported: error
        @unknown default: .unavailable(text("\(error)"))
        }
    }
    private func text(_ text: String) -> String { String(secrets.redacted(text).prefix(500)) }
}

/// A key service by name. There is one at a time, whatever tenant asks: a new version takes over when it is promoted.
struct RoutedKeyService: KeyService {
    let host: PluginHost
    let plugin: String

    var algorithms: Set<SigningAlgorithm> { host.versions(plugin).current?.keyService?.algorithms ?? [] }
    func makeKey(_ request: KeyRequest) async throws -> ServiceKey { try await call { try await $0.makeKey(request) } }
    func readKey(_ name: String) async throws -> ServiceKey { try await call { try await $0.readKey(name) } }
    func listKeys(prefix: String, after: String?) async throws -> [ServiceKey] {
        try await call { try await $0.listKeys(prefix: prefix, after: after) }
    }
    func sign(_ request: SigningRequest) async throws -> Data { try await call { try await $0.sign(request) } }
    func probe() async throws { try await call { try await $0.probe() } }
    var wrapsSecrets: Bool { host.versions(plugin).current?.keyService?.wrapsSecrets ?? false }
    func makeWrappingKey(_ name: String) async throws { try await call { try await $0.makeWrappingKey(name) } }
    func wrap(_ request: WrappingRequest) async throws -> Data { try await call { try await $0.wrap(request) } }
    func unwrap(_ request: WrappingRequest) async throws -> Data { try await call { try await $0.unwrap(request) } }

    private func call<Value>(_ work: (any KeyService) async throws -> Value) async throws -> Value {
        // Versions follow each other slower than this; the bound is for a host that stops.
        for _ in 0..<16 {
            guard let service = host.versions(plugin).current?.keyService else { break }
            do { return try await work(service) } catch is GateClosed { continue }
        }
        throw KeyServiceError.unavailable("\(plugin) is not at work")
    }
}
