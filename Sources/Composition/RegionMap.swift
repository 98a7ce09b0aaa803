import Foundation
import HTTPEdge
import Signing
import Store
import StorePostgres
import StoreSQLite
import Tenancy
import Vocabulary

/// Which regions there are, as the settings say, and the keys that they share.
struct RegionMap: Sendable {
    struct Place: Sendable {
        /// For clients.
        let url: String
        /// For other regions.
        let inner: String
    }
    let home: Region
    let places: [Region: Place]
    /// Which a sign-up may choose, in the order of the list.
    let offered: [Region]
    let directoryKey: SecretBytes
    /// The first signs, each is accepted.
    let relayKeys: [SecretBytes]

    /// Nil where the region is alone. Throws a sentence that says what is missing.
    init?(_ options: PlatformOptions) throws {
        let settings = options.settings
        let named = Region.allCases.filter { !settings[RegionSettings.url($0)].isEmpty }
        guard !settings[RegionSettings.directory].isEmpty else {
            guard named.isEmpty else { throw OperatorProblem("regions.\(named[0].rawValue).url is set and regions.directory is not") }
            return nil
        }
        let home = Region(rawValue: settings[TenancySettings.region]) ?? .us
        guard named.contains(home) else {
            throw OperatorProblem("this process serves \(home.rawValue) (tenancy.region), so regions.\(home.rawValue).url must be set")
        }
        let own = settings[HTTPEdgeSettings.publicURL]
        guard own == settings[RegionSettings.url(home)] else {
            throw OperatorProblem("http.public_url and regions.\(home.rawValue).url are the same address: set both")
        }
        guard settings[RegionSettings.claimSeconds] > settings[HTTPEdgeSettings.handlerTimeout] else {
            throw OperatorProblem("regions.claim_seconds must be above http.handler_timeout_seconds: who makes an account has that long")
        }
        self.home = home
        places = Dictionary(
            uniqueKeysWithValues: named.map { region in
                let (url, inner) = (settings[RegionSettings.url(region)], settings[RegionSettings.internalURL(region)])
                return (region, Place(url: url, inner: inner.isEmpty ? url : inner))
            })
        let chosen = settings[RegionSettings.offered].compactMap(Region.init)
        guard chosen.allSatisfy(named.contains) else { throw OperatorProblem("regions.offered names a region without a url") }
        offered = chosen.isEmpty ? named : chosen
        directoryKey = try Self.key(settings[RegionSettings.directoryKeyFile], RegionSettings.directoryKeyFile.path)
        relayKeys = try settings[RegionSettings.relayKeyFiles].map { try Self.key($0, RegionSettings.relayKeyFiles.path) }
        guard !relayKeys.isEmpty else { throw OperatorProblem("regions.relay_key_files names no file") }
    }

    private static func key(_ path: String, _ setting: String) throws -> SecretBytes {
        let found: SecretBytes?
        do { found = try path.isEmpty ? nil : MasterKey.secret(in: URL(fileURLWithPath: path)) } catch {
            throw OperatorProblem("\(setting): \(error)")
        }
        guard let found else {
            throw OperatorProblem("\(setting): \(path.isEmpty ? "no file" : path) holds no key of 64 hexadecimal digits")
        }
        return found
    }

    /// Under which the directory knows a canonical mail address.
    func digest(ofMail mail: String) -> [UInt8] { HMAC.sha256(Array("coditect directory mail 1\n\(mail)".utf8), key: directoryKey) }

    /// Where nobody's address is looked for: always at the same region, so that whoever watches where requests go learns nothing of
    /// whether somebody has it. A region that is added takes only its own share.
    func stand(in digest: [UInt8]) -> Region {
        places.keys.map { ($0, Digest.sha256(digest + Array($0.rawValue.utf8))) }
            .max { $0.1.lexicographicallyPrecedes($1.1) }?.0 ?? home
    }
}

/// For the directory's own database: digests under the directory's key. Nothing is sealed there.
struct DirectorySealer: Sealer {
    let key: SecretBytes
    func seal(_ plain: [UInt8], context: String) throws -> [UInt8] { throw SigningFault.sealBroken }
    func open(_ box: [UInt8], context: String) throws -> [UInt8] { throw SigningFault.sealBroken }
    func seal(_ plain: [UInt8], person: UserID, context: String) throws -> [UInt8] { throw SigningFault.sealBroken }
    func open(_ box: [UInt8], person: UserID, context: String) throws -> [UInt8] { throw SigningFault.sealBroken }
    func discard(person: UserID) throws {}
    func destroy(person: UserID) throws {}
    func digest(_ plain: [UInt8], purpose: String) -> [UInt8] { HMAC.sha256(Array("\(purpose)\n".utf8) + plain, key: key) }
}

/// The directory's database: opened at the first use that it answers, since a region serves its own people also while it is away.
final class DirectoryDoor: Sendable {
    private actor Opening {
        private var isOpen = false
        func pass(_ open: () async throws -> Void) async throws {
            guard !isOpen else { return }
            try await open()
            isOpen = true
        }
    }
    let store: any StoreDriver
    private let opening = Opening()

    init(_ options: PlatformOptions, _ map: RegionMap) throws {
        let place = options.settings[RegionSettings.directory]
        let sealer = DirectorySealer(key: map.directoryKey)
        if place.hasPrefix("postgres://") || place.hasPrefix("postgresql://") {
            // Asked at each sign-in: who waits for it waits briefly.
            var limits = PostgresLimits()
            (limits.writers, limits.readers, limits.attempts, limits.queue) = (2, 2, 8, 512)
            (limits.kernelStatement, limits.lock, limits.grace) = (.seconds(2), .seconds(1), .seconds(1))
            store = PostgresStore(
                url: place, clock: options.clock, entropy: options.entropy, sealer: sealer, topics: [:], limits: limits)
        } else {
            store = try SQLiteStore(
                file: URL(fileURLWithPath: place), clock: options.clock, entropy: options.entropy, sealer: sealer, topics: [:])
        }
    }

    /// Throws what keeps it closed.
    func open() async throws {
        try await opening.pass { [store] in
            let migrations = try RegionDirectory.migrations()
            if let shared = store as? PostgresStore {
                try await shared.begin(migrations)
            } else {
                _ = try await store.migrate(migrations)
            }
        }
    }
    func close() async { await store.close() }
}
