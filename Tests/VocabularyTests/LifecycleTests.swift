import Testing
import Vocabulary

@Suite("A declared life")
struct LifecycleTests {
    enum Door: String, LifecycleState { case open, closed, locked, gone }
    static let door = Lifecycle<Door>(
        "Door", "What a door goes through.", initial: [.closed],
        [
            Transition("open", "opened", from: [.closed], to: .open, by: [.customer], why: "pushed"),
            Transition("close", "closed", from: [.open, .locked], to: .closed, by: [.customer, .time], why: "pulled, or unlocked"),
            Transition("lock", "locked", from: [.closed], to: .locked, by: [.staff], why: "night"),
            Transition("remove", "removed", from: [.open, .closed], to: .gone, by: [.staff], why: "sold"),
        ])

    @Test("draws itself, with its beginnings and its ends")
    func draws() {
        #expect(
            Self.door.diagram == """
                stateDiagram-v2
                    [*] --> closed
                    closed --> open: open
                    open --> closed: close
                    locked --> closed: close
                    closed --> locked: lock
                    open --> gone: remove
                    closed --> gone: remove
                    gone --> [*]
                """)
        #expect(Self.door.table.contains("\n| close | open, locked | closed | customer, time | pulled, or unlocked |\n"))
        #expect(Self.door.isFinal(.gone) && !Self.door.isFinal(.locked))
    }

    @Test("knows which changes it names")
    func names() {
        #expect(Self.door.transition(from: .locked, to: .closed)?.past == "closed")
        #expect(Self.door.transition(from: .gone, to: .open) == nil)
        #expect(Self.door.transition(from: .open, to: .open) == nil)
    }

    @Test("tells what is wrong with its declaration")
    func flaws() {
        #expect(Self.door.flaws.isEmpty)
        let torn = Lifecycle<Door>(
            "Door", "", initial: [.closed],
            [
                Transition("open", "opened", from: [.closed], to: .open, by: [.customer], why: ""),
                Transition("push", "pushed", from: [.closed], to: .open, by: [], why: ""),
                Transition("remove", "removed", from: [.locked], to: .gone, by: [.staff], why: ""),
            ])
        #expect(
            torn.flaws == [
                "nothing leads to locked", "nothing leads to gone", "push lacks who may, or from where",
                "two transitions lead from closed to open",
            ])
    }
}
