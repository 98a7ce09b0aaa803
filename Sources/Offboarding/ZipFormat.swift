/// The words of a ZIP archive (PKWARE APPNOTE 6.3.10). Entries are stored as they are: what comes out is what went in, and nobody's
/// decompressor can be bombed by it. Sizes follow the content, all in ZIP64, so that none is too big.
enum ZipFormat {
    /// 1 January 1980: the same content makes the same archive.
    private static let date: UInt16 = 0x21
    /// Bit 3: sizes follow; bit 11: names are UTF-8.
    private static let flags: UInt16 = 0x0808
    private static let version: UInt16 = 45
    private static let unix = UInt16(0x0300) | version

    /// Before an entry's content.
    static func header(_ name: String) -> [UInt8] {
        let name = Array(name.utf8)
        var out = Bytes()
        out.put(UInt32(0x0403_4b50), version, flags, UInt16(0), UInt16(0), date)
        out.put(UInt32(0), UInt32.max, UInt32.max, UInt16(name.count), UInt16(20))
        out.bytes += name
        out.put(UInt16(1), UInt16(16), UInt64(0), UInt64(0))
        return out.bytes
    }

    /// After it.
    static func descriptor(crc: UInt32, size: Int64) -> [UInt8] {
        var out = Bytes()
        out.put(UInt32(0x0807_4b50), crc, UInt64(size), UInt64(size))
        return out.bytes
    }

    /// The entry's line in the directory at the end.
    static func listing(_ entry: ArchivedFile) -> [UInt8] {
        let name = Array(entry.name.utf8)
        var out = Bytes()
        out.put(UInt32(0x0201_4b50), unix, version, flags, UInt16(0), UInt16(0), date)
        out.put(entry.crc, UInt32.max, UInt32.max, UInt16(name.count), UInt16(28), UInt16(0), UInt16(0), UInt16(0))
        // A plain file that only its owner reads.
        out.put(UInt32(0o100_600) << 16, UInt32.max)
        out.bytes += name
        out.put(UInt16(1), UInt16(24), UInt64(entry.size), UInt64(entry.size), UInt64(entry.beginsAt))
        return out.bytes
    }

    static func end(entries: Int, directory: Range<Int64>) -> [UInt8] {
        var out = Bytes()
        out.put(UInt32(0x0606_4b50), UInt64(44), unix, version, UInt32(0), UInt32(0), UInt64(entries), UInt64(entries))
        out.put(UInt64(directory.upperBound - directory.lowerBound), UInt64(directory.lowerBound))
        out.put(UInt32(0x0706_4b50), UInt32(0), UInt64(directory.upperBound), UInt32(1))
        out.put(UInt32(0x0605_4b50), UInt16(0), UInt16(0), UInt16.max, UInt16.max, UInt32.max, UInt32.max, UInt16(0))
        return out.bytes
    }

    private struct Bytes {
        var bytes: [UInt8] = []
        mutating func put(_ values: any FixedWidthInteger...) {
            for value in values { append(value) }
        }
        private mutating func append(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
    }

    /// No part leads out of its folder, hides, or is read as something else by another system.
    static func safe(_ part: String) -> String {
        var text = ""
        for scalar in part.unicodeScalars {
            let isUnsafe: Bool =
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned, .privateUse: true
                default: "/\\:*?\"<>|".unicodeScalars.contains(scalar)
                }
            if isUnsafe { text.append("_") } else { text.unicodeScalars.append(scalar) }
            if text.utf8.count > 120 { break }
        }
        while let last = text.last, last == "." || last == " " { text.removeLast() }
        if text.hasPrefix(".") { text = "_" + text.dropFirst() }
        let stem = text.prefix { $0 != "." }.uppercased()
        let isDevice = ["CON", "PRN", "AUX", "NUL"].contains(stem) || stem.count == 4 && (stem.hasPrefix("COM") || stem.hasPrefix("LPT"))
        return text.isEmpty ? "_" : isDevice ? "_" + text : text
    }
}
