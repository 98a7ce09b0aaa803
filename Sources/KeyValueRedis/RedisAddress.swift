import Foundation
import NIOCore
import NIOSSL

/// Where a server listens.
package enum RedisPlace: Sendable, Hashable, CustomStringConvertible {
    case host(String, port: Int)
    case socket(String)

    var isLocal: Bool { if case .socket = self { true } else { false } }
    package var description: String {
        switch self {
        case .host(let name, let port): name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)"
        case .socket(let path): path
        }
    }
    /// `host:port`, as servers name each other; IPv6 with or without brackets.
    init?(named text: Substring) {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]), (1...65_535).contains(port) else {
            return nil
        }
        let name = text[..<colon].trimmingCharacters(in: ["[", "]"])
        guard !name.isEmpty, name.utf8.count <= 253 else { return nil }
        self = .host(name, port: port)
    }
}

/// How the servers of one store stand to each other.
package enum RedisShape: Sendable, Hashable {
    case single(RedisPlace)
    /// The master called so, named by its sentinels.
    case sentinel([RedisPlace], master: String)
    /// Some of a cluster's nodes; they name the others.
    case cluster([RedisPlace])
}

/// What `REDIS_URL` says.
///
///     redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]            rediss:// the same over TLS
///     redis+unix:///PATH/TO/SOCKET[?db=N]
///     redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/MASTER[?db=N]
///     redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT
///
/// `?tls=1` for sentinel and cluster, `?ca=/path.pem` for a certificate authority of one's own, `?timeout_ms=N`.
package struct RedisOptions: Sendable {
    package var shape: RedisShape
    package var user: String?
    package var password: String?
    package var database = 0
    package var isSecure = false
    package var authority: String?
    package var bounds = RedisBounds()

    package init(_ shape: RedisShape) { self.shape = shape }

    package init(url text: String) throws(RedisFault) {
        guard text.utf8.count <= 2_048, let mark = text.range(of: "://") else { throw .address("no scheme") }
        let scheme = text[..<mark.lowerBound]
        var rest = text[mark.upperBound...]
        var query: [Substring: String] = [:]
        if let question = rest.lastIndex(of: "?") {
            for pair in rest[rest.index(after: question)...].split(separator: "&") {
                let parts = pair.split(separator: "=", maxSplits: 1)
                guard parts.count == 2, ["db", "tls", "ca", "timeout_ms"].contains(parts[0]) else { throw .address("unknown option") }
                query[parts[0]] = try Self.plain(parts[1])
            }
            rest = rest[..<question]
        }
        var (user, password): (String?, String?)
        if scheme != "redis+unix", let at = rest.lastIndex(of: "@") {
            let parts = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = try parts.first.map(Self.plain)
            password = parts.count == 2 ? try Self.plain(parts[1]) : nil
            rest = rest[rest.index(after: at)...]
        }
        let slash = rest.firstIndex(of: "/")
        let names = rest[..<(slash ?? rest.endIndex)]
        let path = slash.map { rest[rest.index(after: $0)...] } ?? ""
        var database = query["db"]
        switch scheme {
        case "redis", "rediss":
            self.init(.single(try Self.place(names, port: 6_379)))
            if !path.isEmpty { database = String(path) }
        case "redis+unix": self.init(.single(.socket("/\(try Self.plain(path))")))
        case "redis+sentinel":
            guard !path.isEmpty else { throw .address("no name of a master") }
            self.init(.sentinel(try Self.places(names, port: 26_379), master: try Self.plain(path)))
        case "redis+cluster": self.init(.cluster(try Self.places(names, port: 6_379)))
        default: throw .address("unknown scheme")
        }
        self.user = user.flatMap { $0.isEmpty ? nil : $0 }
        self.password = password
        isSecure = scheme == "rediss" || query["tls"] == "1"
        authority = query["ca"]
        if let database {
            guard let number = Int(database), (0...1_023).contains(number) else { throw .address("the database is a number") }
            self.database = number
        }
        if case .cluster = shape, self.database != 0 { throw .address("a cluster has one database") }
        if let text = query["timeout_ms"] {
            guard let number = Int64(text), (10...60_000).contains(number) else { throw .address("timeout_ms is 10 to 60000") }
            bounds.timeout = .milliseconds(number)
            bounds.connectTimeout = .milliseconds(number)
        }
    }

    /// Without user and password, for people.
    package var told: String {
        switch shape {
        case .single(let place): "\(place)"
        case .sentinel(let places, let master): "\(master) by sentinels \(places.map(\.description).joined(separator: ", "))"
        case .cluster(let places): "cluster at \(places.map(\.description).joined(separator: ", "))"
        }
    }

    private static func plain(_ text: Substring) throws(RedisFault) -> String {
        guard let plain = text.removingPercentEncoding else { throw .address("bad percent encoding") }
        return plain
    }
    private static func place(_ text: Substring, port: Int) throws(RedisFault) -> RedisPlace {
        let isBare = text.hasSuffix("]") || !text.contains(":")
        guard let place = RedisPlace(named: isBare ? "\(text):\(port)" : text) else { throw .address("no host and port") }
        return place
    }
    private static func places(_ text: Substring, port: Int) throws(RedisFault) -> [RedisPlace] {
        var places: [RedisPlace] = []
        for name in text.split(separator: ",").prefix(64) { places.append(try place(name, port: port)) }
        guard !places.isEmpty else { throw .address("no host") }
        return places
    }

    // MARK: TLS

    struct Security: Sendable {
        let context: NIOSSLContext
        let name: String?
        func handler() throws -> NIOSSLClientHandler { try NIOSSLClientHandler(context: context, serverHostname: name) }
    }
    /// Nil: without TLS.
    func security(for place: RedisPlace) throws -> Security? {
        guard isSecure, case .host(let name, _) = place else { return nil }
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let authority { configuration.trustRoots = .file(authority) }
        do {
            let isNumber = (try? SocketAddress(ipAddress: name, port: 0)) != nil
            return Security(context: try NIOSSLContext(configuration: configuration), name: isNumber ? nil : name)
        } catch { throw RedisFault.address("TLS: \(error)") }
    }
}
