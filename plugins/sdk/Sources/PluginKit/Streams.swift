// since 1.2
import Foundation

/// The plugin's way out for protocols that are not HTTP. The host connects, checks certificates and keeps to what `plugin.json` names or
/// the operator's settings of type `address` open; the plugin speaks.
public protocol OutboundStreams: Sendable {
    /// Connected, and with `.implicit` already encrypted. Throws `OutboundFailure`: `forbidden` or `unsent`.
    func connect(_ target: StreamTarget) async throws -> any OutboundStream
}

public struct StreamTarget: Sendable, Hashable, Codable {
    public enum Encryption: String, Sendable, Hashable, Codable {
        /// Until `startTLS`.
        case none
        /// From the first byte.
        case implicit
    }
    /// A DNS name or an address; with encryption the certificate must be made out to it.
    public var host: String
    public var port: Int
    public var encryption: Encryption
    /// PEM of the authorities to trust in place of the system's: for a private one. At most 64 KiB.
    public var trustedRoots: String?
    /// For connecting, and for each `read`, `write` and `startTLS` by itself; 1 to 300 seconds.
    public var timeout: Duration

    public init(
        host: String, port: Int, encryption: Encryption = .none, trustedRoots: String? = nil, timeout: Duration = .seconds(30)
    ) {
        self.host = host
        self.port = port
        self.encryption = encryption
        self.trustedRoots = trustedRoots
        self.timeout = timeout
    }
}

/// One connection. One task reads and one writes at a time. Everything throws `OutboundFailure`; after that only `close` is left.
public protocol OutboundStream: Sendable {
    /// What came: at least one byte and at most `max`; empty once the other side has ended. Throws `unanswered` when nothing came in time.
    func read(max: Int) async throws -> Data
    /// Returns when the bytes were handed to the network, which does not say that they arrived.
    func write(_ data: Data) async throws
    /// Encrypts from here on, TLS 1.2 or newer, certificate and name checked. What had come in the clear and was not yet read ends the connection:
    /// it could be another's. Throws `unsent` where no encryption came about.
    func startTLS() async throws
    /// May be called at any time and more than once; a stream that is let go is closed.
    func close() async
}

public enum StreamLimits {
    public static let maxRead = 65_536
    public static let maxWriteBytes = 1_048_576
    public static let maxRootsBytes = 65_536
    public static let timeout: ClosedRange<Duration> = Duration.seconds(1)...Duration.seconds(300)
    /// Open connections of one plugin at a time.
    public static let maxOpen = 64
}

/// Where there are none: every connection is refused.
public struct NoStreams: OutboundStreams {
    public init() {}
    public func connect(_ target: StreamTarget) async throws -> any OutboundStream {
        throw OutboundFailure.forbidden("This host offers no connections but HTTP.")
    }
}

/// `host:port`, strictly read.
public struct StreamAddress: Sendable, Hashable, Codable, CustomStringConvertible {
    /// Lower case; an IPv6 address without its brackets.
    public let host: String
    public let port: Int

    /// `mail.example.com:587`, `192.0.2.1:25`, `[2001:db8::1]:25`; nil for anything else.
    public init?(_ text: String) {
        guard text.utf8.count <= 300, let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0,
            text[text.index(after: colon)...].utf8.allSatisfy({ Rule.digits.contains($0) })
        else { return nil }
        var host = text[..<colon].lowercased()
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard host.contains(":"), host.utf8.allSatisfy({ Rule.digits.contains($0) || (97...102).contains($0) || $0 == 58 || $0 == 46 })
            else { return nil }
        } else {
            guard Rule.isHost(host), !host.contains(":") else { return nil }
        }
        self.host = host
        self.port = Int(port)
    }

    public init(host: String, port: Int) {
        self.host = host.lowercased()
        self.port = port
    }

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
// end of 1.2
