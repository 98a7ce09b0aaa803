/// Finds in what a payer wrote the invoice that was meant.
struct Matching: Sendable {
    /// Every series in which this plugin ever numbered invoices.
    let series: [String]

    /// The invoices whose whole reference, right to its check digits, stands in the booking, in the order of their numbers.
    func numbers(in booking: Booking) -> [DocumentNumber] {
        Set(booking.bareTexts.flatMap { numbers(inBare: $0) }).sorted()
    }

    private func numbers(inBare text: String) -> [DocumentNumber] {
        let bytes = Array(text.utf8)
        return series.flatMap { series -> [DocumentNumber] in
            let mark = Array(series.utf8)
            let length = 4 + mark.count + 4 + DocumentNumber.width
            guard bytes.count >= length else { return [] }
            return (0...(bytes.count - length)).compactMap { start in
                guard bytes[start] == UInt8(ascii: "R"), bytes[start + 1] == UInt8(ascii: "F"),
                    Array(bytes[(start + 4)..<(start + 4 + mark.count)]) == mark,
                    let year = Digits.value(bytes[(start + 4 + mark.count)..<(start + 8 + mark.count)]),
                    let running = Digits.value(bytes[(start + 8 + mark.count)..<(start + length)])
                else { return nil }
                let number = DocumentNumber(series: series, year: Int(year), running: Int(running))
                return Array(number.reference.text.utf8) == Array(bytes[start..<(start + length)]) ? number : nil
            }
        }
    }

    /// Open invoices that were probably meant: the reference with one mistake (a character wrong, missing, too many, or two swapped), or the
    /// bare number. Never acted on without a person.
    func suggestions(for booking: Booking, among open: [DocumentNumber]) -> [DocumentNumber] {
        let texts = booking.bareTexts.map { Array($0.utf8) }
        return Array(
            open.filter { number in
                texts.contains { text in
                    Self.holds(text, Array(number.body.utf8), mistakes: 0)
                        || Self.holds(text, Array(number.reference.text.utf8), mistakes: 1)
                }
            }.sorted().prefix(3))
    }

    /// Whether some part of `text` is `pattern` but for so many mistakes (Damerau, adjacent swaps; Sellers' search).
    static func holds(_ text: [UInt8], _ pattern: [UInt8], mistakes: Int) -> Bool {
        guard !pattern.isEmpty, text.count + mistakes >= pattern.count else { return false }
        var before = [Int](0...pattern.count)
        var last = before
        for (column, byte) in text.enumerated() {
            var now = [0] + [Int](repeating: 0, count: pattern.count)
            for row in 1...pattern.count {
                var best = min(last[row] + 1, now[row - 1] + 1, last[row - 1] + (pattern[row - 1] == byte ? 0 : 1))
                if row > 1, column > 0, pattern[row - 1] == text[column - 1], pattern[row - 2] == byte {
                    best = min(best, before[row - 2] + 1)
                }
                now[row] = best
            }
            if now[pattern.count] <= mistakes { return true }
            (before, last) = (last, now)
        }
        return false
    }
}
