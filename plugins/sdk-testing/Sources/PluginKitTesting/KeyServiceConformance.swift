import Foundation
import PluginKit

/// What the conformance kit must know of one key service, and do to what stands behind it.
public protocol KeyServiceSubject: Sendable {
    /// The service as a server makes it, over the same place of keys each time; called several times, as over restarts.
    func service() async throws -> any KeyService
    /// Begins the name of every key that the kit makes; the keys stay.
    var prefix: String { get }
    /// Whether this is a signature of the message: told by another library than the one that signs. RSA: with a salt of 478 bytes.
    func verifies(_ signature: Data, of message: Data, under publicKey: Data, _ algorithm: SigningAlgorithm) async throws -> Bool
    /// Takes what stands behind the service away, or gives it back.
    func setAway(_ isAway: Bool) async throws
    /// Ends sessions and logins, as a restart of an HSM does.
    func loseSessions() async throws
    /// Has whatever is asked from now on not come back, or lets it.
    func setHanging(_ isHanging: Bool) async throws
    /// Lets this time pass for the service, once it waits.
    func pass(_ span: Duration) async throws
    /// Name of an ES256 key there whose private half can be read out; nil where there can be none.
    func extractableKey() async throws -> String?
}

/// Tries a key service the way a server under load does whose HSM comes and goes. Every key service passes it, shipped or not.
public struct KeyServiceConformance: Sendable {
    let subject: any KeyServiceSubject
    public init(_ subject: any KeyServiceSubject) { self.subject = subject }

    /// Runs every check; the order is stable.
    public func run(stoppingAtFault: Bool = false) async -> [ConformanceFinding] {
        let checks: [(String, @Sendable () async throws -> [String])] = [
            ("it says what it can, and can that", capable),
            ("a key is the same when it is read again, and after a restart", lasting),
            ("another library verifies what it signs, of every length", verified),
            ("a digest is signed as its message is; Ed25519 takes none", digests),
            ("the same name gives the same key, and another algorithm is refused", repeated),
            ("many who want one name at once get one key", raced),
            ("what is not there is an unknown key, and nothing else signs for it", unknown),
            ("a key signs in its own algorithm only", mixed),
            ("what is no name is refused before it is used", named),
            ("no key can be read out, and one that could signs nothing", kept),
            ("lists are whole, in order, and go on where they ended", listed),
            ("many tasks at once get each its own key's signature", concurrent),
            ("lost sessions and logins cost nobody a signature", recovered),
            ("what is away is unavailable, never unknown, and comes back", away),
            ("what hangs is unavailable in time, and comes back", hanging),
            ("what is wrapped is hidden and comes back, after a restart too", wrapped),
            ("a box is opened with its own key, for its own context and whole, or not at all", sealed),
            ("wrapping knows its keys, and no other does it", wrappingNamed),
            ("many wrap and unwrap at once, each its own", wrappedTogether),
            ("a lost session costs no box; what is away or hangs is unavailable", wrappingAway),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do { findings.append(ConformanceFinding(check: name, faults: try await check())) } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
            if stoppingAtFault, findings.last?.holds == false { break }
        }
        return findings
    }

    // MARK: - What all use

    private static let message = Data("coditect:conformance".utf8)

    func key(_ algorithm: SigningAlgorithm, _ service: any KeyService, _ name: String = "standing") async throws -> ServiceKey {
        let short = algorithm == .rsaPSS ? "rsa" : algorithm.rawValue.lowercased()
        return try await service.makeKey(KeyRequest(name: "\(subject.prefix)-\(name)-\(short)", algorithm: algorithm))
    }
    func fresh() -> String { "\(subject.prefix)-\(UUID().uuidString.lowercased())" }
    private func algorithms(_ service: any KeyService) -> [SigningAlgorithm] { SigningAlgorithm.all.filter(service.algorithms.contains) }
    /// One that is quickly made.
    func quick(_ service: any KeyService) throws -> SigningAlgorithm {
        guard let first = algorithms(service).first else { throw PluginRefusal("It has no algorithm.") }
        return first
    }
    private func sign(_ message: Data, _ key: ServiceKey, _ service: any KeyService) async throws -> Data {
        try await service.sign(SigningRequest(key: key.name, algorithm: key.algorithm, input: .message(message)))
    }
    private func signsWell(_ key: ServiceKey, _ service: any KeyService, _ message: Data = message) async throws -> Bool {
        let signature = try await sign(message, key, service)
        guard signature.count == key.algorithm.signatureBytes else { return false }
        return try await subject.verifies(signature, of: message, under: key.publicKey, key.algorithm)
    }
    /// What it threw; nil where it did not.
    func thrown(_ work: () async throws -> Void) async -> (any Error)? {
        do { try await work() } catch { return error }
        return nil
    }
    func fault(_ what: String, _ error: (any Error)?, unless isRight: (KeyServiceError) -> Bool) -> [String] {
        guard let error else { return ["\(what) was carried out."] }
        guard let known = error as? KeyServiceError, isRight(known) else { return ["\(what) threw \(error)."] }
        return []
    }
    static func isRefused(_ error: KeyServiceError) -> Bool { if case .refused = error { true } else { false } }

    // MARK: - Checks

    private func capable() async throws -> [String] {
        let service = try await subject.service()
        var faults = service.algorithms.isEmpty ? ["It has no algorithm."] : []
        for algorithm in service.algorithms where !SigningAlgorithm.all.contains(algorithm) { faults.append("\(algorithm) is unknown.") }
        for algorithm in algorithms(service) {
            let key = try await key(algorithm, service)
            if key.algorithm != algorithm || key.standing != .usable {
                faults.append("A new key for \(algorithm) is \(key.algorithm), \(key.standing).")
            }
        }
        let foreign = SigningAlgorithm(rawValue: "ES999")
        let request = SigningRequest(
            key: try await key(try quick(service), service).name, algorithm: foreign, input: .message(Self.message))
        faults += fault("A foreign algorithm", await thrown { _ = try await service.sign(request) }) { $0 == .notSupported(foreign) }
        let wanted = KeyRequest(name: fresh(), algorithm: foreign)
        return faults
            + fault("A key for a foreign algorithm", await thrown { _ = try await service.makeKey(wanted) }) {
                $0 == .notSupported(foreign)
            }
    }

    private func lasting() async throws -> [String] {
        let (first, second) = (try await subject.service(), try await subject.service())
        var faults: [String] = []
        for algorithm in algorithms(first) {
            let key = try await key(algorithm, first)
            for again in [try await first.readKey(key.name), try await second.readKey(key.name)] where again != key {
                faults.append("The key for \(algorithm) is read as another.")
            }
            if !(try await signsWell(key, second)) { faults.append("After a restart \(algorithm) signs otherwise.") }
        }
        return faults
    }

    private func verified() async throws -> [String] {
        let service = try await subject.service()
        var faults: [String] = []
        for algorithm in algorithms(service) {
            let key = try await key(algorithm, service)
            for count in [1, 31, 32, 33, 300, 100_000] {
                let message = Data((0..<count).map { UInt8(truncatingIfNeeded: $0) })
                if !(try await signsWell(key, service, message)) { faults.append("\(algorithm) over \(count) bytes does not verify.") }
            }
        }
        return faults
    }

    private func digests() async throws -> [String] {
        let service = try await subject.service()
        var faults: [String] = []
        for algorithm in algorithms(service) {
            let key = try await key(algorithm, service)
            let digest = SigningRequest(key: key.name, algorithm: algorithm, input: .digest(Data(PluginDigest.sha256(Self.message))))
            if algorithm == .ed25519 {
                faults += fault("A digest for Ed25519", await thrown { _ = try await service.sign(digest) }, unless: Self.isRefused)
                continue
            }
            let signature = try await service.sign(digest)
            if !(try await subject.verifies(signature, of: Self.message, under: key.publicKey, algorithm)) {
                faults.append("\(algorithm) over a digest does not verify as over the message.")
            }
            for count in [0, 31, 33] {
                let other = SigningRequest(key: key.name, algorithm: algorithm, input: .digest(Data(count: count)))
                faults += fault("A digest of \(count) bytes", await thrown { _ = try await service.sign(other) }, unless: Self.isRefused)
            }
        }
        return faults
    }

    private func repeated() async throws -> [String] {
        let service = try await subject.service()
        var faults: [String] = []
        for algorithm in algorithms(service) where try await key(algorithm, service) != (try await key(algorithm, service)) {
            faults.append("The second key for \(algorithm) of one name is another.")
        }
        let all = algorithms(service)
        guard all.count > 1 else { return faults }
        let held = try await key(all[0], service)
        let request = KeyRequest(name: held.name, algorithm: all[1])
        return faults
            + fault(
                "A name that has a key of another algorithm", await thrown { _ = try await service.makeKey(request) },
                unless: Self.isRefused)
    }

    private func raced() async throws -> [String] {
        let service = try await subject.service()
        let request = KeyRequest(name: fresh(), algorithm: try quick(service))
        let made = try await withThrowingTaskGroup(of: Data.self) { group in
            for _ in 0..<8 { group.addTask { try await service.makeKey(request).publicKey } }
            var made: Set<Data> = []
            for try await key in group { made.insert(key) }
            return made
        }
        if made.count != 1 { return ["One name has \(made.count) keys."] }
        return made == [try await service.readKey(request.name).publicKey] ? [] : ["The key that is read is none of those made."]
    }

    private func unknown() async throws -> [String] {
        let service = try await subject.service()
        let name = fresh()
        let algorithm = try quick(service)
        _ = try await key(algorithm, service)
        let request = SigningRequest(key: name, algorithm: algorithm, input: .message(Self.message))
        var faults = fault("Signing with a key that is not there", await thrown { _ = try await service.sign(request) }) {
            $0 == .unknownKey(name)
        }
        faults += fault("Reading a key that is not there", await thrown { _ = try await service.readKey(name) }) { $0 == .unknownKey(name) }
        // The beginning of another key's name is no name.
        let held = try await key(algorithm, service).name
        let part = String(held.dropLast())
        return faults + fault("Reading a part of a name", await thrown { _ = try await service.readKey(part) }) { $0 == .unknownKey(part) }
    }

    private func mixed() async throws -> [String] {
        let service = try await subject.service()
        var faults: [String] = []
        for algorithm in algorithms(service) {
            for other in algorithms(service) where other != algorithm {
                let name = try await key(algorithm, service).name
                let request = SigningRequest(key: name, algorithm: other, input: .message(Self.message))
                faults += fault(
                    "A key for \(algorithm), asked for \(other),", await thrown { _ = try await service.sign(request) },
                    unless: Self.isRefused)
            }
        }
        return faults
    }

    private func named() async throws -> [String] {
        let service = try await subject.service()
        let algorithm = try quick(service)
        var faults: [String] = []
        for name in ["", "a b", "../a", "a\0b", "schlüssel", String(repeating: "a", count: 101)] {
            let what = name.prefix(20).debugDescription
            let making = KeyRequest(name: name, algorithm: algorithm)
            faults += fault("A key named \(what)", await thrown { _ = try await service.makeKey(making) }, unless: Self.isRefused)
            faults += fault("Reading \(what)", await thrown { _ = try await service.readKey(name) }, unless: Self.isRefused)
            let signing = SigningRequest(key: name, algorithm: algorithm, input: .message(Self.message))
            faults += fault("Signing with \(what)", await thrown { _ = try await service.sign(signing) }, unless: Self.isRefused)
        }
        return faults
    }

    private func kept() async throws -> [String] {
        let service = try await subject.service()
        var faults: [String] = []
        let new = try await service.makeKey(KeyRequest(name: fresh(), algorithm: try quick(service)))
        for key in try await algorithms(service).conformanceMap({ try await self.key($0, service) }) + [new] where key.isExtractable {
            faults.append("The key \(key.name) can be read out.")
        }
        guard let name = try await subject.extractableKey() else { return faults }
        if !(try await service.readKey(name).isExtractable) { faults.append("A key that can be read out is shown as one that cannot.") }
        let request = SigningRequest(key: name, algorithm: .es256, input: .message(Self.message))
        return faults
            + fault("Signing with a key that can be read out", await thrown { _ = try await service.sign(request) }, unless: Self.isRefused)
    }

    private func listed() async throws -> [String] {
        let service = try await subject.service()
        let algorithm = try quick(service)
        let start = fresh()
        for end in ["c", "a", "b"] { _ = try await service.makeKey(KeyRequest(name: "\(start)-\(end)", algorithm: algorithm)) }
        let all = try await service.listKeys(prefix: start, after: nil)
        var faults: [String] = []
        if all.map(\.name) != ["a", "b", "c"].map({ "\(start)-\($0)" }) { faults.append("Three keys are listed as \(all.map(\.name)).") }
        for key in all where try await service.readKey(key.name) != key {
            faults.append("\(key.name) is listed otherwise than it is read.")
        }
        let rest = try await service.listKeys(prefix: start, after: "\(start)-a").map(\.name)
        if rest != ["\(start)-b", "\(start)-c"] { faults.append("After the first come \(rest).") }
        if !(try await service.listKeys(prefix: start, after: "\(start)-c").isEmpty) { faults.append("After the last comes something.") }
        return faults
    }

    private func concurrent() async throws -> [String] {
        let service = try await subject.service()
        let algorithm = try quick(service)
        let keys = [
            try await key(algorithm, service), try await key(algorithm, service, "second"), try await key(algorithm, service, "third"),
        ]
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<48 {
                group.addTask { try await signsWell(keys[number % keys.count], service, Data("message \(number)".utf8)) }
            }
            for try await isRight in group where !isRight {
                return ["Of 48 signatures at a time one is another key's, or of another message."]
            }
            return []
        }
    }

    private func recovered() async throws -> [String] {
        let service = try await subject.service()
        var faults: [String] = []
        for algorithm in algorithms(service) {
            let key = try await key(algorithm, service)
            // As many as there may be sessions, so that each has begun.
            _ = try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<16 { group.addTask { _ = try await sign(Self.message, key, service) } }
                try await group.waitForAll()
            }
            try await subject.loseSessions()
            for _ in 0..<16 {
                if let error = await thrown({ if !(try await signsWell(key, service)) { throw PluginRefusal("a wrong signature") } }) {
                    faults.append("After a loss \(algorithm) threw \(error).")
                    break
                }
            }
            try await subject.loseSessions()
            let error = await thrown {
                if try await service.readKey(key.name) != key { throw PluginRefusal("another key, or another standing") }
            }
            if let error { faults.append("After a loss reading threw \(error).") }
            try await subject.loseSessions()
            if let error = await thrown({ try await service.probe() }) { faults.append("After a loss the probe threw \(error).") }
        }
        return faults
    }

    private func away() async throws -> [String] {
        let service = try await subject.service()
        let key = try await key(try quick(service), service)
        try await subject.setAway(true)
        var faults: [String] = []
        let isRight: (KeyServiceError) -> Bool = { if case .unavailable = $0 { true } else { false } }
        faults += fault("Signing without what signs", await thrown { _ = try await sign(Self.message, key, service) }, unless: isRight)
        faults += fault("Reading without it", await thrown { _ = try await service.readKey(key.name) }, unless: isRight)
        faults += fault("Listing without it", await thrown { _ = try await service.listKeys(prefix: "", after: nil) }, unless: isRight)
        faults += fault("The probe without it", await thrown { try await service.probe() }, unless: isRight)
        try await subject.setAway(false)
        try await subject.pass(.seconds(2))
        if let error = await thrown({ try await service.probe() }) { faults.append("Back again, the probe threw \(error).") }
        if let error = await thrown({ if !(try await signsWell(key, service)) { throw PluginRefusal("a wrong signature") } }) {
            faults.append("Back again, signing threw \(error).")
        }
        return faults
    }

    private func hanging() async throws -> [String] {
        let service = try await subject.service()
        let key = try await key(try quick(service), service)
        try await subject.setHanging(true)
        async let waiting = thrown { _ = try await sign(Self.message, key, service) }
        try await subject.pass(.seconds(Int64(KeyServiceLimits.answerSeconds + 1)))
        let error = await waiting
        try await subject.setHanging(false)
        var faults = fault("Signing while nothing answers", error) { if case .unavailable = $0 { true } else { false } }
        if let error = await thrown({ if !(try await signsWell(key, service)) { throw PluginRefusal("a wrong signature") } }) {
            faults.append("Once it answers again, signing threw \(error).")
        }
        return faults
    }
}

extension Array where Element: Sendable {
    fileprivate func conformanceMap<Value>(_ work: (Element) async throws -> Value) async rethrows -> [Value] {
        var found: [Value] = []
        for element in self { found.append(try await work(element)) }
        return found
    }
}
