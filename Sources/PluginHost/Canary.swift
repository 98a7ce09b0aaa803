import Foundation
import PluginKit
import Synchronization

/// A new version of a plugin beside the one in service: who is sent to it, and how it does against the other in the same time.
final class Canary: Sendable {
    let hosted: HostedPlugin
    /// Name of its staged files.
    let package: String
    let share: CanaryShare
    private let limits: CanaryLimits
    private let books = Mutex(CanaryCount())

    init(_ hosted: HostedPlugin, package: String, share: CanaryShare, limits: CanaryLimits) {
        self.hosted = hosted
        self.package = package
        self.share = share
        self.limits = limits
    }

    var count: CanaryCount { books.withLock { $0 } }

    /// Counts a call. Gives the reason to take the new version away, once, when it does worse than it may.
    func count(_ change: (inout CanaryCount) -> Void) -> String? {
        books.withLock { count in
            change(&count)
            guard !count.isCondemned, let reason = limits.reason(count) else { return nil }
            count.isCondemned = true
            return reason
        }
    }
}

/// Calls while both versions are in service. A refusal, a limit and a forged webhook are answers; a failure is an outcome that nobody knows.
package struct CanaryCount: Sendable, Hashable {
    package var calls = 0
    package var failures = 0
    package var callsBefore = 0
    package var failuresBefore = 0
    /// Events of which the two versions state other facts.
    package var differences = 0
    var isCondemned = false
}

/// When a new version has proved worse than the one in service.
package struct CanaryLimits: Sendable, Hashable {
    /// So many failures must have been seen; fewer say nothing.
    package var failures: Int
    /// By how many of ten thousand calls it may fail more often than the one in service: a provider that is down fails both.
    package var excessBasisPoints: Int
    package init(failures: Int = 3, excessBasisPoints: Int = 500) {
        self.failures = failures
        self.excessBasisPoints = excessBasisPoints
    }

    func reason(_ count: CanaryCount) -> String? {
        guard count.failures >= failures else { return nil }
        let rate = count.failures * 10_000 / max(1, count.calls)
        let before = count.failuresBefore * 10_000 / max(1, count.callsBefore)
        guard rate - before > excessBasisPoints else { return nil }
        return "\(count.failures) of its \(count.calls) calls failed, against \(count.failuresBefore) of \(count.callsBefore) before."
    }
}

/// What can be told of any payment provider from outside, without its account: what every one of them must refuse, and what must be pure.
package enum ProviderProbe {
    /// Longer than any proof of a megabyte takes on a busy machine; who needs more waits for something.
    private static let longest = Duration.seconds(5)

    /// For all of it together.
    static let patience = Duration.seconds(10)

    /// Every clause that does not hold, as a sentence. The kit's two calls without `await` are asked on a thread of their own, which is given
    /// up where they hang: none of the concurrency pool's waits for a plugin.
    static func faults(_ provider: any PaymentProvider, id: String, clock: any PluginClock) async -> [String] {
        do {
            return try await bounded(patience, clock) {
                await withCheckedContinuation { continuation in
                    Thread.detachNewThread { continuation.resume(returning: faults(provider, id: id, now: clock.now())) }
                }
            }
        } catch { return ["It does not answer a webhook within \(patience.wholeSeconds) s."] }
    }

    private static func faults(_ provider: any PaymentProvider, id: String, now: Timestamp) -> [String] {
        var faults: [String] = []
        let body = Data(#"{"id":"evt_probe","type":"coditect.probe","created":\#(now.seconds),"data":{}}"#.utf8)
        let mark = String(repeating: "0", count: 64)
        let signed = ["\(id)-signature", "x-signature", "signature"].map { [$0: "t=\(now.seconds),v1=\(mark)"] }
        var slowest = Duration.zero
        for (what, headers, body) in [("without a signature", [:], body), ("without a body", [:], Data())]
            + signed.map({ ("with a made-up signature", $0, body) }) + [("of a megabyte", [:], Data(count: 1_048_576))]
        where slowest < longest {
            let begun = ContinuousClock.now
            defer { slowest = max(slowest, ContinuousClock.now - begun) }
            do {
                _ = try provider.verify(WebhookDelivery(headers: headers, body: body, receivedAt: now))
                faults.append("It believes a webhook \(what).")
            } catch PaymentProviderError.forged, PaymentProviderError.stale, PaymentProviderError.malformed {
                continue
            } catch {
                faults.append("It does not call a webhook \(what) forged, stale or malformed, but says: \(String("\(error)".prefix(200)))")
            }
        }
        guard slowest < longest else {
            return faults + [
                "It takes \(slowest.components.seconds) s to look at a webhook. Let verify compute and nothing else: no sleep, no lock, no network, no file."
            ]
        }
        let event = VerifiedEvent(id: "evt_probe", type: "coditect.probe", createdAt: now, body: body)
        let read = { (try? provider.interpret(event)).map { Set($0.map { "\($0)" }) } }
        if read() != read() { faults.append("It states other facts of one event when it is asked twice.") }
        if provider.capabilities != provider.capabilities { faults.append("Its capabilities change while it runs.") }
        return faults
    }
}
