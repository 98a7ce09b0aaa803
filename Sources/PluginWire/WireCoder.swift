import Foundation
import Synchronization

/// A value as a payload: its JSON, whose data values are numbers of the bytes that follow it, as they are.
///
///     JSON's bytes: UInt32 · JSON · (bytes: UInt32 · bytes)…
package enum WireCoder {
    /// More pieces of bytes than any value of the kit has.
    static let maxPieces = 4_096

    package static func encode(_ value: some Encodable) throws -> Data {
        let pieces = Pieces([])
        let encoder = JSONEncoder()
        encoder.dataEncodingStrategy = .custom { data, encoder in
            var container = encoder.singleValueContainer()
            try container.encode(pieces.add(data))
        }
        let text = try encoder.encode(value)
        var payload = Data(capacity: 4 + text.count)
        payload.append(little: UInt32(text.count))
        payload.append(text)
        for piece in pieces.list {
            payload.append(little: UInt32(piece.count))
            payload.append(piece)
        }
        return payload
    }

    package static func decode<Value: Decodable>(_: Value.Type, from payload: Data) throws(WireFault) -> Value {
        var place = payload.startIndex
        func next() throws(WireFault) -> Data {
            guard payload.endIndex - place >= 4 else { throw WireFault("a payload that is cut off") }
            let count = Int(payload.little(UInt32.self, at: place))
            guard payload.endIndex - place - 4 >= count else { throw WireFault("a payload that is cut off") }
            defer { place += 4 + count }
            return Data(payload[(place + 4)..<(place + 4 + count)])
        }
        let text = try next()
        var found: [Data] = []
        while place < payload.endIndex {
            guard found.count < maxPieces else { throw WireFault("a payload in too many pieces") }
            found.append(try next())
        }
        let pieces = Pieces(found)
        let decoder = JSONDecoder()
        decoder.dataDecodingStrategy = .custom { decoder in
            let index = try decoder.singleValueContainer().decode(Int.self)
            guard let piece = pieces.piece(index) else {
                throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "there is no such piece"))
            }
            return piece
        }
        do { return try decoder.decode(Value.self, from: text) } catch { throw WireFault("a payload that is no \(Value.self)") }
    }
}

private final class Pieces: Sendable {
    private let state: Mutex<[Data]>
    init(_ list: [Data]) { state = Mutex(list) }
    var list: [Data] { state.withLock { $0 } }
    func piece(_ index: Int) -> Data? { state.withLock { $0.indices.contains(index) ? $0[index] : nil } }
    func add(_ data: Data) -> Int {
        state.withLock {
            $0.append(data)
            return $0.count - 1
        }
    }
}
