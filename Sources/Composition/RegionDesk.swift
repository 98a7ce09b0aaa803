import Foundation
import HTTPEdge
import PluginKit
import Store
import StorePostgres
import Tenancy
import Vocabulary

/// The regions as their operator sees them.
package struct RegionDesk: Sendable {
    private let options: PlatformOptions
    package init(_ options: PlatformOptions) { self.options = options }

    package struct Line: Sendable {
        package let what: String
        package let words: String
        package let isBad: Bool
    }

    private func map() throws -> RegionMap {
        guard let map = try RegionMap(options) else { throw OperatorProblem("this region is alone: regions.directory is not set") }
        return map
    }

    /// Brings the directory's own database up to date. A file does that by itself; on PostgreSQL with a login that migrates.
    package func migrate() async throws -> [String] {
        let door = try DirectoryDoor(options, try map())
        do {
            let applied = try await door.store.migrate(try RegionDirectory.migrations())
            await door.close()
            return applied
        } catch {
            await door.close()
            throw (error as? StoreFault).map { OperatorProblem("\($0)") } ?? error
        }
    }

    /// Makes the directory know every account and tenant of this region, and finds what leads here to nobody. A server over a file must
    /// not run meanwhile.
    package func publish(repairs: Bool) async throws -> RegionClaims.Adopted {
        let platform = try await Platform.open(options)
        do {
            guard let claims = platform.rooms.tenancy.claims else {
                throw OperatorProblem("this region is alone: regions.directory is not set")
            }
            let act = Act(actor: .system("coditectd"), requestID: "regions-publish", now: options.clock.now())
            let identity = platform.rooms.identity
            let result = try await claims.adopt(repairs: repairs, act) { try await identity.canonicalMail(of: $0) }
            await platform.close()
            return result
        } catch {
            await platform.close()
            throw error
        }
    }

    /// What answers, of the directory and of each region.
    package func status() async throws -> [Line] {
        let map = try map()
        var lines: [Line] = []
        let door = try DirectoryDoor(options, map)
        let directory = RegionDirectory(store: door.store, open: { try await door.open() }, digest: { map.digest(ofMail: $0) })
        do {
            let own = try await directory.counts(map.home)
            lines.append(
                Line(
                    what: "directory",
                    words: "answers; leads to \(own.tenants) tenants and \(own.accounts) accounts of \(map.home.rawValue)",
                    isBad: false))
        } catch {
            lines.append(Line(what: "directory", words: "does not answer: \(error)", isBad: true))
        }
        await door.close()
        for region in Region.allCases {
            guard let place = map.places[region] else { continue }
            lines.append(await look(at: region, place, isHome: region == map.home))
        }
        return lines
    }

    private func look(at region: Region, _ place: RegionMap.Place, isHome: Bool) async -> Line {
        let what = "region \(region.rawValue)"
        let shown = place.inner == place.url ? place.url : "\(place.url), inside \(place.inner)"
        do {
            let answer = try await OutboundClient().sendOnce(
                OutboundRequest("GET", "\(place.inner)/api/v1/regions", timeout: .seconds(5), maxAnswerBytes: 65_536))
            let home = (try? JSONValue.parse(answer.body, maxBytes: 65_536))?["home"]?.string
            guard answer.status == 200, home == region.rawValue else {
                return Line(what: what, words: "\(shown) answers as \(home ?? "status \(answer.status)")", isBad: true)
            }
            return Line(what: what, words: "\(shown) answers\(isHome ? "; this one" : "")", isBad: false)
        } catch {
            // Where nothing listens here, the operator knows.
            return Line(what: what, words: "\(shown) does not answer: \(error)", isBad: !isHome)
        }
    }
}
