import Foundation

/// One message between server and child: a head of 16 bytes, then the payload. Numbers are little-endian.
///
///     payload's bytes: UInt32 · kind: UInt8 · zero: UInt8 · method: UInt16 · id: UInt64
package struct Frame: Sendable, Equatable {
    package enum Kind: UInt8, Sendable { case call = 1, answer, failure, cancel, note }
    package var kind: Kind
    /// What is called or noted; zero in the others.
    package var method: UInt16
    /// Given by the caller, rising; zero in notes.
    package var id: UInt64
    package var payload: Data

    package init(_ kind: Kind, method: UInt16 = 0, id: UInt64 = 0, payload: Data = Data()) {
        self.kind = kind
        self.method = method
        self.id = id
        self.payload = payload
    }

    package static let headBytes = 16

    package var bytes: Data {
        var bytes = Data(capacity: Frame.headBytes + payload.count)
        bytes.append(little: UInt32(payload.count))
        bytes.append(kind.rawValue)
        bytes.append(0)
        bytes.append(little: method)
        bytes.append(little: id)
        bytes.append(payload)
        return bytes
    }
}

/// The other side broke the protocol: nothing that it says counts any more.
package struct WireFault: Error, Sendable, Hashable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }
}

/// Cuts a stream of bytes into frames; holds at most one unfinished frame and what came with it.
package struct FrameReader: Sendable {
    private let maxPayload: Int
    private var buffer = Data()

    package init(maxPayload: Int) { self.maxPayload = maxPayload }

    package mutating func feed(_ bytes: UnsafeRawBufferPointer) throws(WireFault) -> [Frame] {
        buffer.append(contentsOf: bytes)
        var frames: [Frame] = []
        var place = buffer.startIndex
        while buffer.endIndex - place >= Frame.headBytes {
            let count = Int(buffer.little(UInt32.self, at: place))
            guard count <= maxPayload else { throw WireFault("a frame of \(count) bytes; \(maxPayload) are allowed") }
            guard let kind = Frame.Kind(rawValue: buffer[place + 4]), buffer[place + 5] == 0 else {
                throw WireFault("a frame of no known kind")
            }
            let end = place + Frame.headBytes + count
            guard end <= buffer.endIndex else { break }
            frames.append(
                Frame(
                    kind, method: buffer.little(UInt16.self, at: place + 6), id: buffer.little(UInt64.self, at: place + 8),
                    payload: Data(buffer[(place + Frame.headBytes)..<end])))
            place = end
        }
        buffer = place == buffer.endIndex ? Data() : place == buffer.startIndex ? buffer : Data(buffer[place...])
        return frames
    }
}

extension Data {
    mutating func append<Number: FixedWidthInteger>(little number: Number) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
    func little<Number: FixedWidthInteger>(_: Number.Type, at place: Int) -> Number {
        var number: Number = 0
        for index in stride(from: MemoryLayout<Number>.size - 1, through: 0, by: -1) { number = number << 8 | Number(self[place + index]) }
        return number
    }
}
