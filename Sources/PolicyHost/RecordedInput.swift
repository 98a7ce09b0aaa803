import HookEngine
import LuaShim

extension InputEncoder {
    /// The same bytes as `write` of the tree that the text means, without the tree. False where the text is not as the log writes it, where
    /// members do not come in the order of the definition or do not fit: then the general way says what holds.
    func write(recorded text: UnsafeRawBufferPointer, into wire: inout WireWriter) -> Bool {
        wire.bytes.removeAll()
        var scan = PlainScan(text)
        return Self.write(&scan, root, &wire) && scan.isAtEnd
    }

    private static func write(_ scan: inout PlainScan, _ shape: Shape, _ wire: inout WireWriter) -> Bool {
        guard scan.take(UInt8(ascii: "{")) else { return false }
        wire.tag(LUASHIM_SHAPED)
        wire.count(shape.shape)
        let place = wire.bytes.count
        wire.count(0)
        var isFirst = true
        for field in shape.fields {
            if named(&scan, field, isFirst) {
                isFirst = false
                if scan.take("null") {
                    guard field.isOptional else { return false }
                    wire.tag(LUASHIM_NIL)
                } else if !write(&scan, field, &wire) {
                    return false
                }
            } else {
                guard field.isOptional else { return false }
                wire.tag(LUASHIM_NIL)
            }
        }
        wire.bytes.replace(at: place, UInt32(truncatingIfNeeded: wire.bytes.count - place - 4))
        return scan.take(UInt8(ascii: "}"))
    }

    private static func named(_ scan: inout PlainScan, _ field: Field, _ isFirst: Bool) -> Bool {
        field.key.withUnsafeBytes { key in
            // `,"name":`, without its comma for the first.
            scan.take(isFirst ? UnsafeRawBufferPointer(rebasing: key[1...]) : key)
        }
    }

    private static func write(_ scan: inout PlainScan, _ field: Field, _ wire: inout WireWriter) -> Bool {
        switch field.kind {
        case .string:
            guard let text = scan.text() else { return false }
            wire.string(text)
        case .choice:
            guard let text = scan.text(), field.choices.contains(where: { Self.isSame($0, text) }) else { return false }
            wire.string(text)
        case .integer:
            guard let number = scan.integer(), field.range?.contains(number) ?? true else { return false }
            wire.int(number)
        case .boolean:
            if scan.take("true") { wire.tag(LUASHIM_TRUE) } else if scan.take("false") { wire.tag(LUASHIM_FALSE) } else { return false }
        case .object(let shape): return write(&scan, shape, &wire)
        // Lists and maps are rare: the tree says whether they fit.
        case .other: return false
        }
        return true
    }

    private static func isSame(_ left: [UInt8], _ right: UnsafeRawBufferPointer) -> Bool {
        left.count == right.count && left.elementsEqual(right)
    }
}

extension WireWriter {
    mutating func string(_ text: UnsafeRawBufferPointer) {
        tag(LUASHIM_STRING)
        count(text.count)
        bytes.append(text)
    }
}
