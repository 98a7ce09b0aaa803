import Console
import Foundation
import HTTPEdge
import Identity
import Logging
import PluginKit
import Store
import Telemetry
import Tenancy
import Vocabulary

/// What a process has of the other regions: where they are, the way there, and the directory that all of them share.
struct RegionParts: Sendable {
    let map: RegionMap
    let link: RegionLink
    let directory: RegionDirectory
    let door: DirectoryDoor
    private let client: OutboundClient?

    /// Nil where the region is alone.
    init?(_ options: PlatformOptions, _ ground: Ground, _ metrics: Metrics) throws {
        guard let map = try RegionMap(options) else { return nil }
        self.map = map
        let door = try DirectoryDoor(options, map)
        self.door = door
        let logger = ground.logger
        let failures = metrics.counter("region_directory_failures_total", "Questions that the directory of the regions did not answer.")
        directory = RegionDirectory(
            store: door.store, open: { try await door.open() },
            failed: { error in
                failures.with().increment()
                logger.warning("the directory of the regions did not answer", metadata: ["reason": .string("\(error)")])
            }, digest: { map.digest(ofMail: $0) })
        let own = options.outside.regions == nil ? OutboundClient() : nil
        client = own
        guard let transport = options.outside.regions ?? own else { return nil }
        link = RegionLink(map, transport: transport, settings: options.settings, metrics: metrics) { message, fields in
            logger.warning("\(message)", metadata: fields.mapValues { .string($0) })
        }
    }

    func claims(_ store: any Store, _ options: PlatformOptions) -> RegionClaims {
        let (link, clock) = (link, options.clock)
        return RegionClaims(
            store: store, directory: directory, home: map.home,
            patience: .seconds(Int64(options.settings[RegionSettings.claimSeconds]))
        ) { region, digest in try await link.tell(region, digest, now: clock.now()) }
    }

    func gateway(_ rooms: Rooms, _ clock: any Clock) -> RegionGateway {
        let licenses = rooms.licenses
        return RegionGateway(
            link: link, directory: directory, now: { clock.now() }, canonical: { MailCanon($0)?.text },
            knowsKey: { try await licenses.knows(key: $0) })
    }

    /// Told, and no reason to take traffic elsewhere: whoever is signed in works on.
    var check: HealthCheck {
        let (directory, home) = (directory, map.home)
        return HealthCheck("regions", isVital: false) {
            do { _ = try await directory.counts(home) } catch { return "the directory of the regions does not answer" }
            return nil
        }
    }

    /// For the page on which somebody signs up.
    var choices: [RegionChoice] {
        map.offered.map { RegionChoice($0, url: map.places[$0]?.url ?? "", isHome: $0 == map.home) }
    }

    func close() async {
        await client?.shutdown()
        await door.close()
    }
}
