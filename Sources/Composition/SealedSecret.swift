import Foundation
import PluginHost
import PluginKit
import Signing
import Synchronization
import Vocabulary

/// A secret that lies anywhere and that only a key service opens: sealed under a data key of its own, which the service has wrapped.
/// As text one word: `coditect-sealed.v1.` and base64url. Bound to its name: one laid under another name does not open.
struct SealedSecret: Codable, Hashable, Sendable {
    /// Why one cannot be used; says no part of it.
    struct Fault: Error, Hashable, CustomStringConvertible {
        let description: String
        /// Whether asking the service again may help.
        var isPassing = false
    }
    static let prefix = "coditect-sealed.v1."
    static let maxBytes = 32_768

    let name: String
    /// The plugin's id.
    let service: String
    /// The wrapping key's name there.
    let key: String
    private let wrapped: Data
    private let box: Data

    static func isSealed(_ text: String) -> Bool { text.hasPrefix("coditect-sealed.") }

    init(_ text: String) throws(Fault) {
        guard text.hasPrefix(Self.prefix), text.utf8.count <= SecretSource.maxBytes,
            let bytes = Base64URL.decode(String(text.dropFirst(Self.prefix.count))),
            let read = try? JSONDecoder().decode(SealedSecret.self, from: Data(bytes)),
            KeyServiceLimits.fault(inName: read.key) == nil, KeyServiceLimits.fault(inName: read.service) == nil
        else { throw Fault(description: "is no sealed secret of this version, or not the whole of one: seal it again") }
        self = read
    }

    private init(name: String, service: String, key: String, wrapped: Data, box: Data) {
        (self.name, self.service, self.key, self.wrapped, self.box) = (name, service, key, wrapped, box)
    }

    var text: String {
        get throws {
            let coder = JSONEncoder()
            coder.outputFormatting = [.sortedKeys]
            return Self.prefix + Base64URL.encode([UInt8](try coder.encode(self)))
        }
    }

    /// What the wrapped data key and the box are bound to.
    private static func context(_ name: String) -> [UInt8] { Array("coditect:secret.v1\0\(name)".utf8) }

    static func seal(
        _ secret: String, name: String, service: String, key: String, with keys: any KeyService, entropy: any Entropy
    ) async throws -> SealedSecret {
        let dataKey = entropy.bytes(32)
        let box = try AuthenticatedCipher.seal(
            Array(secret.utf8), key: SecretBytes(dataKey), nonce: entropy.bytes(AuthenticatedCipher.nonceCount), associated: context(name))
        let wrapped = try await keys.wrap(WrappingRequest(key: key, data: Data(dataKey), context: Data(context(name))))
        return SealedSecret(name: name, service: service, key: key, wrapped: wrapped, box: Data(box))
    }

    /// Throws `Fault`.
    func opened(as name: String, with keys: any KeyService) async throws -> String {
        guard name == self.name else { throw Fault(description: "was sealed as \(self.name): it opens under that name alone") }
        let dataKey: Data
        do { dataKey = try await keys.unwrap(WrappingRequest(key: key, data: wrapped, context: Data(Self.context(name)))) } catch {
            let isPassing = (error as? KeyServiceError)?.isPassing ?? true
            throw Fault(description: "is sealed under the key \(key) of \(service), which does not open it: \(error)", isPassing: isPassing)
        }
        guard dataKey.count == 32,
            let bytes = try? AuthenticatedCipher.open(
                [UInt8](box)[...], key: SecretBytes(dataKey), associated: Self.context(name)),
            let text = String(validating: bytes, as: UTF8.self), !text.isEmpty
        else { throw Fault(description: "was changed since it was sealed: seal it again") }
        return text
    }
}

/// The sealed secrets that were opened, for as long as the server lives: a key service that goes away takes none of them along.
final class OpenedSecrets: Sendable {
    private struct Entry {
        let sealed: String
        let outcome: Result<String, SealedSecret.Fault>
    }
    private struct State {
        var entries: [String: Entry] = [:]
        /// Services that did not answer are left in peace until then: one that hangs must not hold a start up once for each secret.
        var pausedUntil: [String: Timestamp] = [:]
    }
    static let pause = Duration.seconds(4)
    private let clock: any Clock
    private let state = Mutex(State())
    init(clock: any Clock) { self.clock = clock }

    /// What a text stands for; a text that is not sealed stands for itself.
    func secret(_ name: String, _ text: String) throws -> String {
        guard SealedSecret.isSealed(text) else { return text }
        let entry = state.withLock { $0.entries[name] }
        guard let entry, entry.sealed == text else {
            let service = (try? SealedSecret(text))?.service ?? "a key service"
            throw SecretSource.Unreadable(description: "\(name) is sealed under a key of \(service), which has not been asked yet.")
        }
        switch entry.outcome {
        case .success(let secret): return secret
        case .failure(let fault):
            let words = "\(name) \(fault)"
            throw SecretSource.Unreadable(
                description: "\(words)\(words.hasSuffix("?") ? "" : ".") Nothing else is used in its place; see coditectd secrets check.")
        }
    }

    /// Opens what is sealed and not opened yet. Gives whether anything was.
    @discardableResult
    func open(_ texts: [String: String], with service: (String) -> (any KeyService)?) async -> Bool {
        var isNews = false
        for (name, text) in texts.sorted(by: { $0.key < $1.key }) where SealedSecret.isSealed(text) {
            let known = state.withLock { $0.entries[name] }
            if let known, known.sealed == text, case .success = known.outcome { continue }
            let outcome = await opened(name, text, with: service)
            state.withLock { $0.entries[name] = Entry(sealed: text, outcome: outcome) }
            if case .success = outcome { isNews = true }
        }
        return isNews
    }

    private func opened(
        _ name: String, _ text: String, with service: (String) -> (any KeyService)?
    ) async -> Result<String, SealedSecret.Fault> {
        do throws(SealedSecret.Fault) {
            let sealed = try SealedSecret(text)
            let words = "is sealed under the key \(sealed.key) of \(sealed.service), which"
            guard let keys = service(sealed.service) else {
                throw SealedSecret.Fault(description: "\(words) is not at work: see coditectd plugin list", isPassing: true)
            }
            let now = clock.now()
            if let until = state.withLock({ $0.pausedUntil[sealed.service] }), now < until {
                throw SealedSecret.Fault(description: "\(words) did not answer just now", isPassing: true)
            }
            do { return .success(try await sealed.opened(as: name, with: keys)) } catch {
                let fault = error as? SealedSecret.Fault ?? SealedSecret.Fault(description: "\(words) failed", isPassing: true)
                if fault.isPassing { state.withLock { $0.pausedUntil[sealed.service] = now + Self.pause } }
                throw fault
            }
        } catch { return .failure(error) }
    }

    /// Names of those that could not be opened and may be later.
    var pending: [String] {
        state.withLock {
            $0.entries.filter { if case .failure(let fault) = $0.value.outcome { fault.isPassing } else { false } }.map(\.key)
        }
    }
}
