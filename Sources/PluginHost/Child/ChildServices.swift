import Foundation
import PluginKit
import PluginWire
import Synchronization

/// What a child may ask of the server: the very context that the plugin would have in process, with the same limits around it.
final class ChildServices: Sendable {
    private struct Lines {
        var taken = 0
        var dropped = 0
    }
    private let context: PluginContext
    private let lines = Mutex(Lines())
    private let walls = Slot<Result<ToHost.Walls, WireEnd>>()

    /// Lines of the log in one second; what is more is counted and left out.
    static let maxLines = 200
    /// A child that tries more than this in one second is ended.
    static let maxFlood = 10_000
    /// Calls of one child at a time.
    static let maxCalls = 512

    init(_ context: PluginContext) { self.context = context }

    /// What stands around the child; a failure where it could not be built. Nil until it said so.
    var standing: Result<ToHost.Walls, WireEnd>? { walls.value }

    /// A second has passed.
    func tick() {
        let dropped = lines.withLock { lines in
            defer { lines = Lines() }
            return lines.dropped
        }
        if dropped > 0 { context.log.warning("A plugin wrote more than is taken.", ["lines_left_out": "\(dropped)"]) }
    }

    /// A line of its standard error: nothing that it should write, so without its secrets.
    func heard(_ line: String) {
        if (try? isTaken()) == true { context.log.warning("stderr: \(context.secrets.redacted(line))") }
    }

    private func isTaken() throws -> Bool {
        try lines.withLock { lines in
            lines.taken += 1
            guard lines.taken > ChildServices.maxLines else { return true }
            lines.dropped += 1
            if lines.taken > ChildServices.maxFlood { throw WireFault("it floods the log") }
            return false
        }
    }

    func desk() -> WireDesk {
        let context = context
        var desk = WireDesk(maxCalls: ChildServices.maxCalls)
        desk.on(ToHost.log) { [self] line in
            if try isTaken() { context.log.write(line.level, line.message, line.fields) }
        }
        desk.on(ToHost.walls) { [self] said in walls.value = .success(said) }
        desk.on(ToHost.unsafe) { [self] reason in
            walls.value = .failure(WireEnd("it cannot be walled in: \(reason.prefix(300))"))
        }
        desk.atOnce(ToHost.now) { _ in context.clock.now() }
        desk.atOnce(ToHost.origin) { _ in context.site.origin() }
        desk.atOnce(ToHost.webhookAddress) { _ in context.site.webhookAddress() }
        desk.on(ToHost.sleep) { span in
            // A span of centuries, or of less than nothing, would not survive the arithmetic of time.
            try await context.clock.sleep(for: min(max(.zero, span), .days(3_650)))
            return Nothing()
        }
        desk.on(ToHost.send) { try await context.http.send($0) }
        @Sendable func space(_ tenant: String?) -> any PluginSpace {
            tenant.map { context.space(tenant: String($0.prefix(200))) } ?? context.space
        }
        desk.on(ToHost.spaceGet) { Maybe(try await space($0.tenant).get($0.key)) }
        desk.on(ToHost.spaceSet) { entry in
            try await space(entry.key.tenant).set(entry.key.key, entry.value)
            return Nothing()
        }
        desk.on(ToHost.spaceRemove) { key in
            try await space(key.tenant).remove(key.key)
            return Nothing()
        }
        desk.on(ToHost.spaceReplace) { entry in
            try await space(entry.key.tenant).replace(entry.key.key, expecting: entry.expected, with: entry.value)
        }
        desk.on(ToHost.spaceKeys) { listing in
            try await space(listing.tenant).keys(
                prefix: String(listing.prefix.prefix(PluginSpaceLimits.maxKeyBytes + 1)), after: listing.after, limit: listing.limit)
        }
        ChildStreams(context.streams).add(to: &desk)
        ChildFolder(folder: context.folder).add(to: &desk)
        desk.on(ToHost.verifyToken) { try await context.signatures.verify($0) }
        desk.on(ToHost.verifyBytes) { bytes in
            try await context.signatures.verify(bytes)
            return Nothing()
        }
        return desk
    }
}
