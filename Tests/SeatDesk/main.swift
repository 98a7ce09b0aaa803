import Foundation
import RoomTesting
import Seats
import Vocabulary

// seat-desk FOLDER SEED MOMENT OFFSET OVERDRAFT LINGER HOLD [NAME=NUMBER…]
//
// The ledger of seats on a real store in FOLDER, for schedules that are played faster than a server answers and than real time passes: a
// request a line on standard input, an answer a line on standard output, many at once. MOMENT is what the monotonic clock shows, in
// microseconds, OFFSET how many seconds the wall clock stands beside it; NAME is a setting of Seats. It ends when its input does, or is
// killed at any moment.
//
//     NUMBER MOMENT VERB ARGUMENT…      the clock passes to MOMENT, then the request begins; its answer begins with NUMBER
//     NUMBER MOMENT frozen              nobody ticked meanwhile
//     NUMBER MOMENT wall OFFSET         the wall clock steps

let words = CommandLine.arguments.dropFirst().map { $0 }
let numbers = words.dropFirst().prefix(6).compactMap { Int64($0) }
guard words.count >= 7, numbers.count == 6 else {
    complain("FOLDER SEED MOMENT OFFSET OVERDRAFT LINGER HOLD [NAME=NUMBER…]")
    exit(64)
}
var texts: [String: String] = [:]
for word in words.dropFirst(7) {
    let parts = word.split(separator: "=").map(String.init)
    guard parts.count == 2, SeatSettings.all.contains(where: { $0.path == parts[0] }) else {
        complain("not a setting: \(word)")
        exit(64)
    }
    texts[parts[0]] = parts[1]
}

let clock = DeskClock(microseconds: numbers[1], offset: numbers[2])
let desk = try await Desk(
    folder: URL(fileURLWithPath: words[0]), clock: clock, entropy: SeededEntropy(UInt64(bitPattern: numbers[0])), settings: Settings(texts))
desk.hooks.set(overdraft: numbers[3], linger: numbers[4], hold: numbers[5])
desk.time.tick()

await DeskWindow(desk: desk).open()
