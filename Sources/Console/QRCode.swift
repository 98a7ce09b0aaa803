/// A QR code (ISO/IEC 18004) of bytes, with error correction of level M, versions 1 to 20: enough for the address of an authenticator app.
struct QRCode: Sendable {
    let size: Int
    /// Rows of dark modules.
    private(set) var modules: [[Bool]]
    private var isFunction: [[Bool]]
    private let version: Int

    static let correctionPerBlock = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26]
    static let blocks = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16]

    /// Nil for more than fits: 666 bytes.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard let version = (1...20).first(where: { bytes.count <= Self.capacity($0) }) else { return nil }
        self.version = version
        size = version * 4 + 17
        modules = Array(repeating: Array(repeating: false, count: size), count: size)
        isFunction = modules
        drawFunctionPatterns()
        drawCodewords(Self.interleaved(Self.data(bytes, version), version))
        let plain = modules
        var best: (penalty: Int, modules: [[Bool]])?
        for mask in 0..<8 {
            modules = plain
            apply(mask)
            drawFormat(mask)
            let penalty = penalty
            if penalty < best?.penalty ?? Int.max { best = (penalty, modules) }
        }
        modules = best?.modules ?? plain
    }

    /// One path of squares; the caller draws the ground. The quiet zone of four modules is within.
    var path: String {
        var out = ""
        for (y, row) in modules.enumerated() {
            for (x, isDark) in row.enumerated() where isDark { out += "M\(x + 4) \(y + 4)h1v1h-1z" }
        }
        return out
    }
    var span: Int { size + 8 }

    // MARK: Data

    private static func rawModules(_ version: Int) -> Int {
        var result = (16 * version + 128) * version + 64
        if version >= 2 {
            let aligns = version / 7 + 2
            result -= (25 * aligns - 10) * aligns - 55
            if version >= 7 { result -= 36 }
        }
        return result
    }
    private static func dataCodewords(_ version: Int) -> Int {
        rawModules(version) / 8 - correctionPerBlock[version - 1] * blocks[version - 1]
    }
    private static func countBits(_ version: Int) -> Int { version < 10 ? 8 : 16 }
    private static func capacity(_ version: Int) -> Int { (dataCodewords(version) * 8 - 4 - countBits(version)) / 8 }

    /// Byte mode, its terminator and padding.
    private static func data(_ bytes: [UInt8], _ version: Int) -> [UInt8] {
        var bits: [Bool] = []
        func append(_ value: Int, _ count: Int) { for bit in (0..<count).reversed() { bits.append(value >> bit & 1 == 1) } }
        append(4, 4)
        append(bytes.count, countBits(version))
        for byte in bytes { append(Int(byte), 8) }
        let room = dataCodewords(version) * 8
        append(0, min(4, room - bits.count))
        append(0, (8 - bits.count % 8) % 8)
        var words = stride(from: 0, to: bits.count, by: 8).map { start in
            bits[start..<start + 8].reduce(UInt8(0)) { $0 << 1 | ($1 ? 1 : 0) }
        }
        var pad: UInt8 = 0xEC
        while words.count < room / 8 {
            words.append(pad)
            pad ^= 0xEC ^ 0x11
        }
        return words
    }

    private static func interleaved(_ data: [UInt8], _ version: Int) -> [UInt8] {
        let (count, correction) = (blocks[version - 1], correctionPerBlock[version - 1])
        let raw = rawModules(version) / 8
        let (short, shortLength) = (count - raw % count, raw / count - correction)
        let divisor = ReedSolomon.divisor(correction)
        var parts: [(data: [UInt8], correction: [UInt8])] = []
        var start = 0
        for index in 0..<count {
            let length = shortLength + (index < short ? 0 : 1)
            let part = Array(data[start..<start + length])
            start += length
            parts.append((part, ReedSolomon.remainder(part, divisor)))
        }
        var out: [UInt8] = []
        for column in 0...shortLength { for part in parts where column < part.data.count { out.append(part.data[column]) } }
        for column in 0..<correction { for part in parts { out.append(part.correction[column]) } }
        return out
    }

    // MARK: Drawing

    private mutating func set(_ x: Int, _ y: Int, _ isDark: Bool) {
        modules[y][x] = isDark
        isFunction[y][x] = true
    }

    private mutating func drawFunctionPatterns() {
        for index in 0..<size {
            set(6, index, index % 2 == 0)
            set(index, 6, index % 2 == 0)
        }
        for (x, y) in [(3, 3), (size - 4, 3), (3, size - 4)] { drawFinder(x, y) }
        let places = Self.alignments(version)
        for (i, y) in places.enumerated() {
            for (j, x) in places.enumerated() {
                let last = places.count - 1
                if (i, j) == (0, 0) || (i, j) == (0, last) || (i, j) == (last, 0) { continue }
                for dy in -2...2 { for dx in -2...2 { set(x + dx, y + dy, max(abs(dx), abs(dy)) != 1) } }
            }
        }
        drawFormat(0)
        drawVersion()
    }
    private mutating func drawFinder(_ x: Int, _ y: Int) {
        for dy in -4...4 {
            for dx in -4...4 where (0..<size).contains(x + dx) && (0..<size).contains(y + dy) {
                let distance = max(abs(dx), abs(dy))
                set(x + dx, y + dy, distance != 2 && distance != 4)
            }
        }
    }
    private static func alignments(_ version: Int) -> [Int] {
        guard version > 1 else { return [] }
        let count = version / 7 + 2
        let step = (version * 4 + count * 2 + 1) / (count * 2 - 2) * 2
        return [6] + (0..<count - 1).map { version * 4 + 10 - $0 * step }.reversed()
    }

    /// Level M is 0; the fifteen bits stand twice.
    private mutating func drawFormat(_ mask: Int) {
        var rest = mask
        for _ in 0..<10 { rest = rest << 1 ^ (rest >> 9) * 0x537 }
        let bits = (mask << 10 | rest) ^ 0x5412
        func bit(_ index: Int) -> Bool { bits >> index & 1 == 1 }
        for index in 0...5 { set(8, index, bit(index)) }
        set(8, 7, bit(6))
        set(8, 8, bit(7))
        set(7, 8, bit(8))
        for index in 9..<15 { set(14 - index, 8, bit(index)) }
        for index in 0..<8 { set(size - 1 - index, 8, bit(index)) }
        for index in 8..<15 { set(8, size - 15 + index, bit(index)) }
        set(8, size - 8, true)
    }
    private mutating func drawVersion() {
        guard version >= 7 else { return }
        var rest = version
        for _ in 0..<12 { rest = rest << 1 ^ (rest >> 11) * 0x1F25 }
        let bits = version << 12 | rest
        for index in 0..<18 {
            let (a, b) = (size - 11 + index % 3, index / 3)
            set(a, b, bits >> index & 1 == 1)
            set(b, a, bits >> index & 1 == 1)
        }
    }

    private mutating func drawCodewords(_ words: [UInt8]) {
        var index = 0
        for right in [Int](stride(from: size - 1, through: 1, by: -2)).map({ $0 <= 6 ? $0 - 1 : $0 }) {
            for vertical in 0..<size {
                for x in [right, right - 1] where x >= 0 {
                    let y = (right + 1) & 2 == 0 ? size - 1 - vertical : vertical
                    guard !isFunction[y][x], index < words.count * 8 else { continue }
                    modules[y][x] = words[index >> 3] >> (7 - UInt8(index & 7)) & 1 == 1
                    index += 1
                }
            }
        }
    }
    private mutating func apply(_ mask: Int) {
        for y in 0..<size {
            for x in 0..<size where !isFunction[y][x] {
                let isTurned =
                    switch mask {
                    case 0: (x + y) % 2 == 0
                    case 1: y % 2 == 0
                    case 2: x % 3 == 0
                    case 3: (x + y) % 3 == 0
                    case 4: (x / 3 + y / 2) % 2 == 0
                    case 5: x * y % 2 + x * y % 3 == 0
                    case 6: (x * y % 2 + x * y % 3) % 2 == 0
                    default: ((x + y) % 2 + x * y % 3) % 2 == 0
                    }
                if isTurned { modules[y][x].toggle() }
            }
        }
    }

    /// How hard the code is to read: long runs, blocks, and an uneven share of dark. What looks like a finder is met by the others.
    private var penalty: Int {
        var result = 0
        for line in 0..<size {
            for isRow in [true, false] {
                var (run, last) = (0, false)
                for place in 0..<size {
                    let isDark = isRow ? modules[line][place] : modules[place][line]
                    run = place > 0 && isDark == last ? run + 1 : 1
                    last = isDark
                    if run == 5 { result += 3 } else if run > 5 { result += 1 }
                }
            }
        }
        for y in 0..<size - 1 {
            for x in 0..<size - 1 {
                let isDark = modules[y][x]
                if isDark == modules[y][x + 1], isDark == modules[y + 1][x], isDark == modules[y + 1][x + 1] { result += 3 }
            }
        }
        let dark = modules.reduce(0) { $0 + $1.count { $0 } }
        return result + abs(dark * 20 - size * size * 10) / (size * size) * 10
    }
}

/// Error correction over GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1.
private enum ReedSolomon {
    static func multiply(_ x: UInt8, _ y: UInt8) -> UInt8 {
        var product = 0
        for bit in (0..<8).reversed() {
            product = product << 1 ^ (product >> 7) * 0x11D
            product ^= Int(y >> UInt8(bit) & 1) * Int(x)
        }
        return UInt8(product)
    }
    static func divisor(_ degree: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: degree - 1) + [1]
        var root: UInt8 = 1
        for _ in 0..<degree {
            for index in 0..<degree {
                result[index] = multiply(result[index], root)
                if index + 1 < degree { result[index] ^= result[index + 1] }
            }
            root = multiply(root, 2)
        }
        return result
    }
    static func remainder(_ data: [UInt8], _ divisor: [UInt8]) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: divisor.count)
        for byte in data {
            let factor = byte ^ result.removeFirst()
            result.append(0)
            for index in 0..<divisor.count { result[index] ^= multiply(divisor[index], factor) }
        }
        return result
    }
}
