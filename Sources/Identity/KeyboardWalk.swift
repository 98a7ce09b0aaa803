/// Runs that fingers make without thinking: along a keyboard, the alphabet or the digits, or on one key.
enum KeyboardWalk {
    private static let lines: [[Unicode.Scalar]] = [
        "1234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "yxcvbnm", "azertyuiop",
        "qsdfghjklm",
        "wxcvbn", "0123456789",
    ].map { Array($0.unicodeScalars) }

    private struct Step: Hashable {
        let from: Unicode.Scalar
        let to: Unicode.Scalar
    }
    /// For each pair of neighbours on some line: the line and the direction.
    private static let straight: [Step: [Int]] = {
        var table: [Step: [Int]] = [:]
        for (index, line) in lines.enumerated() {
            for (left, right) in zip(line, line.dropFirst()) {
                table[Step(from: left, to: right), default: []].append(index * 2)
                table[Step(from: right, to: left), default: []].append(index * 2 + 1)
            }
        }
        return table
    }()

    /// Keys with their places, rows staggered as on a real keyboard, in quarters of a key.
    private static let places: [Unicode.Scalar: (x: Int, y: Int)] = {
        var table: [Unicode.Scalar: (x: Int, y: Int)] = [:]
        let rows: [(Int, String, String)] = [
            (0, "1234567890-=", "!@#$%^&*()_+"), (2, "qwertyuiop[]", ""), (3, "asdfghjkl;'", ""), (5, "zxcvbnm,./", ""),
        ]
        for (y, row) in rows.enumerated() {
            for signs in [row.1, row.2] {
                for (index, sign) in signs.unicodeScalars.enumerated() { table[sign] = (row.0 + 4 * index, y) }
            }
        }
        return table
    }()

    private static func areNeighbours(_ left: Unicode.Scalar, _ right: Unicode.Scalar) -> Bool {
        guard left != right, let a = places[left], let b = places[right] else { return false }
        return abs(a.x - b.x) <= 4 && abs(a.y - b.y) <= 1
    }

    /// The furthest end of a run that begins at `start`: three signs on one line or one key, four along neighbouring keys. Nil: no run.
    static func end(in text: [Unicode.Scalar], from start: Int) -> Int? {
        var best = start
        var same = start + 1
        while same < text.count, text[same] == text[start] { same += 1 }
        if same - start >= 3 { best = same }

        if start + 1 < text.count {
            var lines = Set(straight[Step(from: text[start], to: text[start + 1])] ?? [])
            var index = start + 1
            while !lines.isEmpty {
                index += 1
                if index - start >= 3 { best = max(best, index) }
                guard index < text.count else { break }
                lines.formIntersection(straight[Step(from: text[index - 1], to: text[index])] ?? [])
            }
        }

        var walk = start + 1
        while walk < text.count, areNeighbours(text[walk - 1], text[walk]) { walk += 1 }
        if walk - start >= 4 { best = max(best, walk) }
        return best > start ? best : nil
    }
}
