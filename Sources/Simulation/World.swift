import Composition
import Foundation
import HTTPEdge
import HookEngine
import Identity
import Synchronization
import Vocabulary

/// Nobody's domain is proved here.
struct NoRecords: DomainResolver {
    func texts(of name: String) async throws -> [String] { [] }
}

/// Keeps what policies decided in memory, for the timeline.
final class KeptDecisions: DecisionSink {
    private let kept = Mutex<[DecisionRecord]>([])
    func record(_ record: DecisionRecord) async throws {
        // Who may do what is asked at every request, and of everything that somebody could see.
        if record.hook == "on_role_check" { return }
        kept.withLock { $0.append(record) }
    }
    var all: [DecisionRecord] { kept.withLock { $0 } }
}

/// A platform in a world that is pretended: it lives, dies and lives again on one data directory.
final class World: Sendable {
    let clock: VirtualClock
    let breaker = Breaker()
    let post: PretendPost
    let provider: PretendProvider
    let decisions = KeptDecisions()
    private let options: PlatformOptions
    private let living = Mutex<Platform?>(nil)
    private let names: ProviderNames

    /// - Parameters:
    ///   - base: where data, policies and settings lie; its clock and its world outside are replaced, its data is gone afterwards.
    ///   - providerName: the name under which the platform knows its provider.
    init(
        _ base: PlatformOptions, clock: VirtualClock, manner: ProviderManner, seed: UInt64, providerName: String = "pretend"
    ) throws {
        self.clock = clock
        names = ProviderNames(providerName)
        post = PretendPost(clock: clock, breaker: breaker)
        provider = try PretendProvider(manner: manner, clock: clock, breaker: breaker, seed: seed)
        var options = base
        options.clock = clock
        options.entropy = Dice(seed)
        options.resolver = NoRecords()
        options.isSimulated = true
        options.rsaKey = .whenAsked
        options.outside.payments = PretendProviders(provider: provider, names: names)
        options.outside.mail = post
        options.outside.webhooks = PretendReceivers()
        options.outside.decisions = decisions
        self.options = options
    }
    deinit { for folder in [data, backups] { try? FileManager.default.removeItem(at: folder) } }

    var data: URL { options.data }
    /// Beside the data, as its operator's other disk.
    var backups: URL { URL(fileURLWithPath: options.data.path + "-backups") }
    func backUp() async throws { _ = try await BackupDesk(options, key: nil, tell: { _ in }).take(into: backups) }

    /// Under which name the platform knows its provider.
    var providerName: String { names.name }
    func call(provider name: String) { names.change(to: name) }

    var platform: Platform? { living.withLock { $0 } }

    func open() async throws {
        let platform = try await Platform.open(options)
        platform.settleContainment(.contained(files: 0))
        try await platform.begin()
        living.withLock { $0 = platform }
    }

    func close() async {
        let platform = living.withLock { living in
            defer { living = nil }
            return living
        }
        await platform?.close()
    }

    /// The process is gone at once.
    func die() async {
        let platform = living.withLock { living in
            defer { living = nil }
            return living
        }
        await platform?.drop()
        breaker.release()
    }

    /// Has the platform do something; nil: it is down, or died over it.
    func alive<Value: Sendable>(_ work: @escaping @Sendable (Platform) async throws -> Value) async throws -> Value? {
        guard let platform else { return nil }
        guard breaker.isArmed else { return try await work(platform) }
        let task = Task { try await work(platform) }
        let (ends, told) = AsyncStream<Bool>.makeStream()
        breaker.onBlow {
            told.yield(true)
            told.finish()
        }
        let waiting = Task {
            _ = await task.result
            told.yield(false)
            told.finish()
        }
        var isBlown = false
        for await end in ends {
            isBlown = end
            break
        }
        guard isBlown else { return try await task.value }
        await die()
        _ = await task.result
        await waiting.value
        return nil
    }

    func ask(_ ask: Ask) async throws -> Answer? {
        let request = ask.request()
        return try await alive { platform in
            let reply = await platform.edge.respond(to: request)
            return Answer(status: reply.status, json: (try? JSONReader.read(reply.body)) ?? .null)
        }
    }
}
