import Synchronization
import Vocabulary

/// Makes spans and keeps those that are sampled until somebody takes them away. Bounded: what comes while it is full is counted and dropped.
package final class Tracer: Sendable {
    /// A span that is under way, for whoever knows more of it. Nothing where it is not sampled.
    package final class Open: Sendable {
        private let span: Mutex<Span?>
        @TaskLocal package static var current: Open?

        init(_ span: Span?) { self.span = Mutex(span) }
        package func set(_ name: String, _ value: Span.Value) { span.withLock { $0?.set(name, value) } }
        package func name(_ name: String) { span.withLock { $0?.name = Span.cut(name) } }
        package func fail(_ reason: String) { span.withLock { $0?.failure = Span.cut(Redaction.clean(reason)) } }
        func end(_ duration: Duration) -> Span? {
            span.withLock { span in
                span?.duration = duration
                defer { span = nil }
                return span
            }
        }
    }
    /// Where a trace begins.
    package enum Origin: Sendable {
        /// Under what goes on now; nothing is kept where nothing goes on.
        case current
        /// Goes on with what came from elsewhere, by its word on sampling.
        case parent(TraceContext)
        /// A new trace, by our own word; `link` names the one it came from.
        case root(link: TraceContext?)
    }

    static let capacity = 8_192

    private struct State {
        var done: [Span] = []
        var dropped = 0
    }
    private let state = Mutex(State())
    private let bound: UInt64
    private let clock: any Clock
    private let entropy: any Entropy

    /// - Parameter perThousand: how many of a thousand new traces are kept, 0 to 1,000.
    package init(perThousand: Int, clock: any Clock, entropy: any Entropy) {
        bound = perThousand >= 1_000 ? .max : UInt64(max(0, perThousand)) * (1 << 63 / 1_000)
        self.clock = clock
        self.entropy = entropy
    }

    /// Runs `work` as one span. An error that it throws is the span's failure, by its type: what it says may be personal.
    package func within<Value>(
        _ name: String, _ kind: Span.Kind, from origin: Origin = .current, _ attributes: [(String, Span.Value)] = [],
        isolation: isolated (any _Concurrency.Actor)? = #isolation, _ work: (Open) async throws -> Value
    ) async rethrows -> Value {
        guard let (context, parent, link) = begin(origin) else { return try await work(Open(nil)) }
        var span: Span?
        if context.isSampled {
            span = Span(context: context, parent: parent, kind: kind, start: clock.now(), name: Span.cut(name), duration: .zero)
            span?.link = link
            for (name, value) in attributes { span?.set(name, value) }
        }
        let open = Open(span)
        let began = clock.monotonic()
        defer { if let span = open.end(clock.monotonic() - began) { keep(span) } }
        return try await TraceContext.$current.withValue(context) {
            try await Open.$current.withValue(open) {
                do { return try await work(open) } catch {
                    open.fail(String(describing: type(of: error)))
                    throw error
                }
            }
        }
    }

    /// A span that is over already, under what goes on now.
    package func past(
        _ name: String, _ kind: Span.Kind, took duration: Duration, _ attributes: [(String, Span.Value)], failure: String? = nil
    ) {
        guard let (context, parent, _) = begin(.current), context.isSampled else { return }
        var span = Span(
            context: context, parent: parent, kind: kind, start: clock.now() - duration, name: Span.cut(name), duration: duration)
        for (name, value) in attributes { span.set(name, value) }
        span.failure = failure
        keep(span)
    }

    /// Takes the oldest spans away.
    package func take(most: Int) -> [Span] {
        state.withLock { state in
            let taken = Array(state.done.prefix(most))
            state.done.removeFirst(taken.count)
            return taken
        }
    }
    package var waiting: Int { state.withLock { $0.done.count } }
    /// Spans that found no room.
    package var dropped: Int { state.withLock { $0.dropped } }

    private func begin(_ origin: Origin) -> (TraceContext, UInt64?, TraceContext?)? {
        switch origin {
        case .current: TraceContext.current.map { ($0.child(random()), $0.span, nil) }
        case .parent(let parent): (parent.child(random()), parent.span, nil)
        case .root(let link):
            {
                let (high, low) = (random(), random())
                // By the low half, as others do it, so that processes with the same share agree.
                let isSampled = low >> 1 < bound
                return (TraceContext(high: high, low: low, span: random(), isSampled: isSampled), nil, link)
            }()
        }
    }
    /// Never 0, which means that there is none.
    private func random() -> UInt64 { max(1, entropy.bytes(8).reduce(0) { $0 << 8 | UInt64($1) }) }

    private func keep(_ span: Span) {
        state.withLock { state in
            if state.done.count < Self.capacity { state.done.append(span) } else { state.dropped += 1 }
        }
    }
}
