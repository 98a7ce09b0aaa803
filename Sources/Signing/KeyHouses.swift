import Vocabulary

/// The key services that plugins provide, as the ring uses them. Throws `SigningFault.service` for whatever goes wrong with one.
package protocol KeyHouses: Sendable {
    /// Makes a key pair; gives the public half as SubjectPublicKeyInfo.
    func make(_ algorithm: KeyAlgorithm, name: String, in service: String) async throws -> [UInt8]
    /// In the form that `KeyAlgorithm` says, but for ES256 with either s.
    func sign(_ message: [UInt8], _ algorithm: KeyAlgorithm, name: String, in service: String) async throws -> [UInt8]
    /// Why the service cannot sign with these keys now; nil where it can.
    func fault(of service: String, keys: [String]) async -> String?
}

extension KeyRing {
    static func homes(_ settings: Settings) -> [KeyPurpose: String] {
        [
            .token: settings[SigningSettings.tokenKeys], .licenseRSA: settings[SigningSettings.licenseRSAKeys],
            .license: settings[SigningSettings.licenseKeys], .journal: settings[SigningSettings.journalKeys],
        ]
    }

    /// Plugins come after the ring: until then a key that lies with one of them signs nothing.
    package func use(_ houses: any KeyHouses) { state.withLock { $0.houses = houses } }

    /// Whether new keys of any purpose belong to a service.
    package var usesServices: Bool { homes.values.contains { $0 != SigningSettings.file } }

    /// Whether a purpose whose keys belong to a service has none yet.
    package var lacksKeys: Bool {
        state.withLock { state in homes.contains { $1 != SigningSettings.file && state.ring.active($0) == nil } }
    }

    /// A new key at the place; RSA takes a second or more there as here.
    func fresh(_ purpose: KeyPurpose, in place: String) async throws -> FreshKey {
        if place == SigningSettings.file {
            return FreshKey(key: try await Self.offPool { [makeKey] in try makeKey(purpose.algorithm) })
        }
        guard let houses = state.withLock(\.houses) else { throw SigningFault.service(place, reason: "it is not at work") }
        let name = "coditect-\(purpose.rawValue.replacing("_", with: "-"))-\(Hex.encode(entropy.bytes(8)))"
        let form = try await houses.make(purpose.algorithm, name: name, in: place)
        do {
            return FreshKey(key: try AsymmetricKey(publicDER: form, purpose.algorithm), home: .service(place, name: name))
        } catch {
            throw SigningFault.service(place, reason: "its new key \(name) is not usable: \(error)")
        }
    }

    /// Every service that holds a key which signs or should, with what hinders it, in the order of their ids.
    package func serviceFaults() async -> [(service: String, fault: String)] {
        let (houses, homes) = state.withLock { state in (state.houses, KeyPurpose.allCases.compactMap { state.ring.active($0)?.home }) }
        var names: [String: [String]] = [:]
        for place in self.homes.values { names[place] = [] }
        for case .service(let service, let name) in homes { names[service, default: []].append(name) }
        var found: [(service: String, fault: String)] = []
        for (service, keys) in names.sorted(by: { $0.key < $1.key }) where service != SigningSettings.file {
            guard let houses else {
                found.append((service, "it is not at work"))
                continue
            }
            if let fault = await houses.fault(of: service, keys: keys) { found.append((service, fault)) }
        }
        return found
    }
}
