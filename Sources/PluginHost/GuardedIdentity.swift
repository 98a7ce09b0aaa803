import Foundation
import PluginKit

/// An identity provider as the house sees it: what the plugin answers is checked like any other input from outside, calls are counted for
/// draining, and an error that is none of the kit's signs nobody in.
struct GuardedIdentityProvider: IdentityProvider {
    let plugin: String
    let provider: any IdentityProvider
    let profile: IdentityDescription
    let gate: WorkGate
    let secrets: PluginSecrets

    func begin(_ beginning: IdentityBeginning) async throws -> IdentityDeparture {
        try await entered(beginning.connection) {
            let departure = try await provider.begin(beginning)
            guard departure.address.utf8.count <= IdentityLimits.maxAddressBytes, WebOrigin(departure.address, allowingQuery: true) != nil,
                !departure.address.contains("#")
            else { throw IdentityProviderError.misconfigured("\(plugin) answered no usable address to send a browser to.") }
            guard departure.form.count <= IdentityLimits.maxParameters,
                departure.form.allSatisfy({ $0.key.utf8.count <= 100 && $0.value.utf8.count <= IdentityLimits.maxFieldBytes }),
                departure.kept.count <= IdentityLimits.maxKeptBytes
            else { throw IdentityProviderError.misconfigured("\(plugin) answered a form or a note to itself that is too large.") }
            guard !departure.address.contains(beginning.verifier),
                !departure.form.values.contains(where: { $0.contains(beginning.verifier) })
            else { throw IdentityProviderError.misconfigured("\(plugin) would have sent the verifier away with the browser.") }
            return departure
        }
    }
    func complete(_ arrival: IdentityArrival) async throws -> IdentityAssertion {
        try await entered(arrival.connection) { try checked(await provider.complete(arrival)) }
    }
    func authenticate(_ attempt: DirectoryAttempt) async throws -> IdentityAssertion {
        // An empty password is an anonymous bind, which many directories answer with yes.
        guard !attempt.password.isEmpty, !attempt.user.isEmpty else { throw IdentityProviderError.account(.credentialsInvalid) }
        return try await entered(attempt.connection, hiding: [attempt.password]) { try checked(await provider.authenticate(attempt)) }
    }
    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection {
        try await entered(connection) {
            var found = try await provider.inspect(connection, redirectAddress: redirectAddress)
            found.issuer = String(found.issuer.prefix(IdentityLimits.maxTextBytes))
            found.keys = found.keys.prefix(SignatureLimits.maxKeys).map { String($0.prefix(IdentityLimits.maxTextBytes)) }
            found.warnings = found.warnings.prefix(16).map { String($0.prefix(300)) }
            found.document = found.document.map { String($0.prefix(65_536)) }
            return found
        }
    }

    func document(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityDocument {
        try await entered(connection) {
            let document = try await provider.document(connection, redirectAddress: redirectAddress)
            let isType = document.mediaType.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || [43, 45, 46, 47].contains($0)
            }
            // Nothing that a browser would run in our name.
            guard isType, document.mediaType.hasPrefix("application/"), (15...80).contains(document.mediaType.utf8.count),
                document.text.utf8.count <= IdentityLimits.maxDocumentBytes
            else { throw IdentityProviderError.misconfigured("\(plugin) answered no document that can be published.") }
            return document
        }
    }

    /// Nil if it is fine, else what is not.
    static func fault(in profile: IdentityDescription) -> String? {
        let lower = Set("abcdefghijklmnopqrstuvwxyz0123456789-".utf8)
        let ids = profile.offered.map(\.id)
        if ids.count > 32 || Set(ids).count != ids.count { return "too many offered connections, or one twice" }
        for offered in profile.offered
        where !(1...40).contains(offered.id.utf8.count) || !offered.id.utf8.allSatisfy(lower.contains)
            || !(1...80).contains(offered.label.utf8.count)
        { return "the offered connection \(offered.id.prefix(40).debugDescription)" }
        let names = profile.fields.map(\.name)
        if names.count > 40 || Set(names).count != names.count { return "too many fields, or one twice" }
        for field in profile.fields
        where !(1...40).contains(field.name.utf8.count) || !(1...16_384).contains(field.maxBytes)
            || (field.kind == .choice) == field.choices.isEmpty
        { return "the field \(field.name.prefix(40).debugDescription)" }
        return profile.capabilities.isEmpty ? "no capability" : nil
    }

    private func checked(_ assertion: IdentityAssertion) throws -> IdentityAssertion {
        if let fault = IdentityLimits.fault(in: assertion) {
            throw IdentityProviderError.notBelieved(.malformed, reason: "\(plugin) made an assertion that breaks the limits: \(fault)")
        }
        return assertion
    }

    private func entered<Value>(
        _ connection: IdentityConnection, hiding hidden: [String] = [], _ work: () async throws -> Value
    ) async throws -> Value {
        guard gate.enter() else { throw GateClosed() }
        defer { gate.leave() }
        do { return try await work() } catch let error as CancellationError { throw error } catch {
            throw cleaned(error) { text in
                let kept = connection.secrets.redacted(secrets.redacted(text))
                return String(hidden.filter { $0.utf8.count >= 4 }.reduce(kept) { $0.replacing($1, with: "[secret]") }.prefix(500))
            }
        }
    }

    private func cleaned(_ error: any Error, _ clean: (String) -> String) -> IdentityProviderError {
        switch error as? IdentityProviderError {
        case .declined(let code): .declined(code: String(clean(code).prefix(64)))
        case .notBelieved(let doubt, let reason): .notBelieved(doubt, reason: clean(reason))
        case .misconfigured(let text): .misconfigured(clean(text))
        case .unreachable(let text): .unreachable(clean(text))
        case let plain?: plain
        case nil: .unreachable(clean("\(plugin) failed: \(error)"))
        }
    }
}

/// An identity provider by name. Each call goes to the version that is in service for its tenant when it begins.
struct RoutedIdentityProvider: IdentityProvider {
    let host: PluginHost
    let plugin: String
    let tenant: String?
    let profile: IdentityDescription

    func begin(_ beginning: IdentityBeginning) async throws -> IdentityDeparture { try await call { try await $0.begin(beginning) } }
    func complete(_ arrival: IdentityArrival) async throws -> IdentityAssertion { try await call { try await $0.complete(arrival) } }
    func authenticate(_ attempt: DirectoryAttempt) async throws -> IdentityAssertion {
        try await call { try await $0.authenticate(attempt) }
    }
    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection {
        try await call { try await $0.inspect(connection, redirectAddress: redirectAddress) }
    }

    func document(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityDocument {
        try await call { try await $0.document(connection, redirectAddress: redirectAddress) }
    }

    private func call<Value>(_ work: (any IdentityProvider) async throws -> Value) async throws -> Value {
        // Versions follow each other slower than this; the bound is for a host that stops.
        for _ in 0..<16 {
            let (current, canary) = host.versions(plugin)
            var serving = current?.identityProvider
            if let tenant, let canary, canary.share.takes(tenant, of: plugin), let candidate = canary.hosted.identityProvider {
                serving = candidate
            }
            guard let serving else { break }
            do { return try await work(serving) } catch is GateClosed { continue }
        }
        throw IdentityProviderError.unreachable("\(plugin) is stopping.")
    }
}
