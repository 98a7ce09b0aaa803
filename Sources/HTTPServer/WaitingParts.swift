import NIOCore
import NIOHTTP1

/// What has come on a connection while the answer to the request before was due, in its order.
struct WaitingParts {
    enum Part {
        case part(HTTPServerRequestPart)
        case fault(HTTPParserError)
        case inputClosed
    }
    private var parts = CircularBuffer<Part>(initialCapacity: 0)
    private var isLettingIn = false
    /// The channel wants to read on, and was told to wait.
    var isReadHeld = false

    var isEmpty: Bool { parts.isEmpty }
    mutating func add(_ part: Part) { parts.append(part) }
    mutating func next() -> Part? { parts.popFirst() }
    mutating func drop() { parts.removeAll() }

    /// False where somebody lets in already: an answer that is there at once must not let in the next within itself.
    mutating func begin() -> Bool {
        guard !isLettingIn else { return false }
        isLettingIn = true
        return true
    }
    mutating func end() { isLettingIn = false }
}
