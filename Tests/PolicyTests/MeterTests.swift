import LuaShim
import Testing

/// The backstop's arithmetic, in milliseconds for the eye.
@Suite("processor time is the backstop, pauses of the machine are not")
struct MeterTests {
    /// Wall and processor time that pass before a look.
    typealias Stretch = (wall: UInt64, processor: UInt64)
    private static let millisecond: UInt64 = 1_000_000
    private static let limit: UInt64 = 50

    /// The place of the look that ends the call; nil where none does.
    private static func end(_ stretches: [Stretch]) -> Int? {
        var meter = luashim_meter(seen: 7, worked: 0, due: limit * millisecond)
        var wall: UInt64 = 7
        var spent: UInt64 = 0
        for (place, stretch) in stretches.enumerated() {
            wall += stretch.wall * millisecond
            spent += stretch.processor * millisecond
            guard luashim_meter_look(&meter, wall) else { continue }
            if luashim_meter_is_over(&meter, spent, limit * millisecond) { return place }
        }
        return nil
    }

    @Test("steady work ends at its limit, at once where each look shows that it came")
    func steady() {
        #expect(Self.end(Array(repeating: (1, 1), count: 200)) == 49)
        #expect(Self.end(Array(repeating: (10, 10), count: 20)) == 4)
    }

    @Test("a thread that waits for its turn is given the processor time that it was promised")
    func busy() {
        #expect(Self.end(Array(repeating: (10, 1), count: 200)) == 49)
        #expect(Self.end(Array(repeating: (200, 0), count: 200)) == nil)
        #expect(Self.end(Array(repeating: (19, 4), count: 200)) == 12)
    }

    @Test("a pause that the host books on the thread denies nobody, two neither; what works on after them ends")
    func pauses() {
        #expect(Self.end([(1, 1), (400, 400), (1, 1)]) == nil)
        #expect(Self.end([(1, 1), (400, 400), (1, 1), (90, 90), (1, 1)]) == nil)
        #expect(Self.end([(400, 400)] + Array(repeating: (1, 1), count: 200)) == 30)
    }

    @Test("work that shows itself seldom is found all the same")
    func seldom() {
        #expect(Self.end(Array(repeating: (70, 70), count: 200)) == 2)
    }
}
