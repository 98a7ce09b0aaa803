import Foundation

/// What one side answers. A call that no desk knows breaks the protocol.
package struct WireDesk: Sendable {
    enum Answer: Sendable {
        /// On the reading thread: must not wait.
        case atOnce(@Sendable (Data) throws -> Data)
        case later(@Sendable (Data) async throws -> Data)
    }
    private(set) var answers: [UInt16: Answer] = [:]
    private(set) var notes: [UInt16: @Sendable (Data) throws -> Void] = [:]
    /// More calls at a time than this are answered with an error.
    let maxCalls: Int

    package init(maxCalls: Int) { self.maxCalls = maxCalls }

    /// Answers in a task, which is cancelled when the caller's is.
    package mutating func on<Input, Output>(_ call: WireCall<Input, Output>, _ work: @escaping @Sendable (Input) async throws -> Output) {
        assert(answers[call.method] == nil, "two calls have the number \(call.method)")
        answers[call.method] = .later { payload in
            try WireCoder.encode(try await work(try WireCoder.decode(Input.self, from: payload)))
        }
    }
    /// Answers on the reading thread, without a hop.
    package mutating func atOnce<Input, Output>(_ call: WireCall<Input, Output>, _ work: @escaping @Sendable (Input) throws -> Output) {
        answers[call.method] = .atOnce { payload in try WireCoder.encode(try work(try WireCoder.decode(Input.self, from: payload))) }
    }
    /// Hears, on the reading thread.
    package mutating func on<Input>(_ note: WireNote<Input>, _ work: @escaping @Sendable (Input) throws -> Void) {
        notes[note.method] = { payload in try work(try WireCoder.decode(Input.self, from: payload)) }
    }
}

/// The other process is gone, or what it said broke the protocol: what was asked of it may or may not have been done.
package struct WireEnd: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// More was asked at a time than is allowed.
struct TooMany: Error, CustomStringConvertible { var description: String { "too many calls at a time" } }
