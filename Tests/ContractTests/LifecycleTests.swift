import Testing

@testable import Composition

@Suite("declared lives")
struct LifecycleTests {
    @Test("every state can be reached, every way has its movers, and no two lives share a name")
    func sound() {
        for life in Rooms.lifecycles { #expect(life.flaws.isEmpty, "\(life.name): \(life.flaws)") }
        #expect(Set(Rooms.lifecycles.map(\.name)).count == Rooms.lifecycles.count && !Rooms.lifecycles.isEmpty)
    }
}
