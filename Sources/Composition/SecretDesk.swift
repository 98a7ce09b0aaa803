import Foundation
import PluginHost
import PluginKit
import Signing
import Vocabulary

/// Secrets in key services, for an operator at the terminal: beside a running server or without one; needs neither keys nor database.
package struct SecretDesk: Sendable {
    package static let defaultKey = "coditect-secrets"
    package static let maxBytes = SealedSecret.maxBytes
    private let options: PlatformOptions

    private let source: SecretSource

    package init(_ reading: OptionsReading) throws {
        options = try reading.bare()
        source = SecretSource(reading.environment)
    }

    /// The sealed text; it was opened once before it is given out.
    package func seal(_ given: Data, name: String, in service: String?, key: String) async throws -> String {
        guard !name.isEmpty, name.utf8.count <= 100, name.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) || $0 == 95 })
        else { throw OperatorProblem("a secret's name holds capitals, digits and _ only, like STRIPE_SECRET_KEY") }
        guard given.count <= Self.maxBytes, let text = String(data: given, encoding: .utf8) else {
            throw OperatorProblem("a secret is a text of at most \(Self.maxBytes) bytes")
        }
        let secret = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !secret.isEmpty else { throw OperatorProblem("nothing was given on standard input") }
        guard !SealedSecret.isSealed(secret) else { throw OperatorProblem("that is sealed already; see coditectd secrets rewrap") }
        return try await atWork { bench in try await sealed(secret, name, service, key, bench) }
    }

    private func sealed(_ secret: String, _ name: String, _ service: String?, _ key: String, _ bench: KeyServiceBench) async throws
        -> String
    {
        if let fault = KeyServiceLimits.fault(inName: key) { throw OperatorProblem(fault) }
        let (id, keys) = try self.service(service, bench)
        do {
            try await keys.makeWrappingKey(key)
            let sealed = try await SealedSecret.seal(secret, name: name, service: id, key: key, with: keys, entropy: options.entropy)
            let text = try sealed.text
            guard try await SealedSecret(text).opened(as: name, with: keys) == secret else {
                throw OperatorProblem("\(id) does not give back what it wrapped: it must not be used")
            }
            return text
        } catch let error as KeyServiceError {
            throw OperatorProblem("nothing was sealed: \(id): \(error)", error.isPassing ? .late : .impossible)
        } catch let fault as SealedSecret.Fault {
            throw OperatorProblem("nothing was sealed: what was sealed \(fault)")
        }
    }

    private func service(_ id: String?, _ bench: KeyServiceBench) throws -> (String, any KeyService) {
        if id == nil, bench.ids.count > 1 {
            throw OperatorProblem("there are several key services: give --in \(bench.ids.joined(separator: " or "))")
        }
        guard let chosen = id ?? bench.ids.first else {
            throw OperatorProblem("no key service is at work; see docs/how-to/secrets-in-a-key-service.md")
        }
        guard let keys = bench.service(chosen) else {
            throw OperatorProblem("the key service \(chosen) is not at work: \(bench.refusal(chosen) ?? "there is no such plugin")")
        }
        guard keys.wrapsSecrets else { throw OperatorProblem("\(chosen) signs, but wraps no secrets") }
        return (chosen, keys)
    }

    /// Each file is replaced in one step, once the new text opens; what fails leaves it as it is.
    package func rewrap(_ files: [String], in service: String?, key: String) async throws -> [String] {
        guard files.count <= 1_000 else { throw OperatorProblem("at most 1000 files at a time") }
        return try await atWork { bench in
            var lines: [String] = []
            for path in files {
                let file = URL(fileURLWithPath: path)
                let secret: (name: String, text: String, service: String)
                do {
                    let sealed = try SealedSecret(try SecretSource.read("the sealed secret", file))
                    let (_, keys) = try self.service(sealed.service, bench)
                    secret = (sealed.name, try await sealed.opened(as: sealed.name, with: keys), sealed.service)
                } catch let fault as SealedSecret.Fault { throw OperatorProblem("\(path) \(fault)") }
                let text = try await self.sealed(secret.text, secret.name, service ?? secret.service, key, bench)
                var status = stat()
                guard stat(path, &status) == 0 else { throw OperatorProblem("\(path): \(String(cString: strerror(errno)))") }
                try OwnFile.write(Data((text + "\n").utf8), to: file.resolvingSymlinksInPath(), mode: status.st_mode & 0o777)
                lines.append("\(path): \(secret.name) is sealed under \(key) of \(service ?? secret.service)")
            }
            return lines
        }
    }

    /// Every secret that the platform or a plugin here reads, in the order of their names.
    package func check() async throws -> (lines: [String], isFine: Bool) {
        let folders = (try? FileManager.default.contentsOfDirectory(at: options.plugins, includingPropertiesForKeys: nil)) ?? []
        let manifests = folders.compactMap { try? PluginManifest(json: Data(contentsOf: $0.appendingPathComponent("plugin.json"))) }
        let names = Set(SecretSource.ownNames + manifests.flatMap { $0.secrets.map(\.name) }).sorted()
        return try await atWork { bench in
            var lines: [String] = []
            var isFine = true
            let opened = OpenedSecrets(clock: options.clock)
            for name in names {
                do {
                    guard let text = try source.secret(name) else { continue }
                    let place = source.file(name).map { "in \($0.path)" } ?? "in the environment"
                    guard SealedSecret.isSealed(text) else {
                        lines.append("\(name)  plain, \(place)")
                        continue
                    }
                    let sealed = try? SealedSecret(text)
                    await opened.open([name: text]) { bench.service($0) }
                    _ = try opened.secret(name, text)
                    lines.append("\(name)  opens  sealed under \(sealed?.key ?? "") of \(sealed?.service ?? ""), \(place)")
                } catch {
                    isFine = false
                    lines.append("\(name)  UNUSABLE  \(error)")
                }
            }
            return (lines.isEmpty ? ["no secret is given to this server"] : lines, isFine)
        }
    }

    private func atWork<Value>(_ work: (KeyServiceBench) async throws -> Value) async throws -> Value {
        let bench = try await KeyServiceBench(options)
        do {
            let value = try await work(bench)
            await bench.close()
            return value
        } catch {
            await bench.close()
            throw error
        }
    }
}
