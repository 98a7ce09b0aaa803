/// Bytes in the making: one block that grows by doubling and is never copied on the way. For the two writers that every decision passes,
/// where arrays' checks cost more than the bytes.
package struct ByteBuffer: ~Copyable {
    private var base: UnsafeMutablePointer<UInt8>
    package private(set) var count = 0
    private var capacity: Int

    package init(capacity: Int) {
        self.base = .allocate(capacity: max(16, capacity))
        self.capacity = max(16, capacity)
    }
    deinit { base.deallocate() }

    package mutating func removeAll() { count = 0 }
    mutating func removeLast() { count -= 1 }

    @inline(__always)
    package mutating func append(_ byte: UInt8) {
        if count == capacity { grow(1) }
        base[count] = byte
        count += 1
    }
    @inline(__always)
    package mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        if count + bytes.count > capacity { grow(bytes.count) }
        UnsafeMutableRawPointer(base + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }
    @inline(__always)
    package mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
    /// Makes room for `most` bytes, lets `write` fill them and takes as many as it says.
    @inline(__always)
    mutating func fill(atMost most: Int, _ write: (UnsafeMutablePointer<UInt8>) -> Int) {
        if count + most > capacity { grow(most) }
        count += write(base + count)
    }
    package mutating func append(_ bytes: [UInt8]) { bytes.withUnsafeBytes { append($0) } }
    /// Four bytes, little-endian.
    package mutating func append(_ number: UInt32) { withUnsafeBytes(of: number.littleEndian) { append($0) } }
    /// Eight bytes, little-endian.
    package mutating func append(_ number: Int64) { withUnsafeBytes(of: number.littleEndian) { append($0) } }
    /// Writes four bytes over those at `place`.
    package mutating func replace(at place: Int, _ number: UInt32) {
        UnsafeMutableRawPointer(base + place).storeBytes(of: number.littleEndian, as: UInt32.self)
    }

    package borrowing func withBytes<Value>(_ body: (UnsafeRawBufferPointer) throws -> Value) rethrows -> Value {
        try body(UnsafeRawBufferPointer(start: base, count: count))
    }
    package var array: [UInt8] { withBytes { Array($0) } }

    private mutating func grow(_ more: Int) {
        let larger = max(capacity * 2, count + more)
        let block = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
        block.update(from: base, count: count)
        base.deallocate()
        base = block
        capacity = larger
    }
}
