import PluginHost
import PluginKit
import Testing

@Suite struct ChildStandingTests {
    private let start = Timestamp(seconds: 1_800_000_000)

    @Test("each death within the window doubles the pause, with a spread, up to the longest")
    func pauses() {
        var rules = ChildRules()
        rules.deathsToOpen = 100
        rules.window = .hours(1)
        var standing = ChildStanding(rules)
        let full = (0..<8).map { standing.died(at: start + .seconds(Int64($0)), spread: 1) }
        #expect(
            full == [
                .milliseconds(200), .milliseconds(400), .milliseconds(800), .milliseconds(1_600), .milliseconds(3_200),
                .milliseconds(6_400),
                .seconds(10), .seconds(10),
            ])
        var other = ChildStanding(rules)
        #expect(other.died(at: start, spread: 0) == .milliseconds(100))
        #expect(other.died(at: start + .hours(2), spread: 1) == .milliseconds(200), "what lies before the window is forgiven")
    }

    @Test("five deaths in a minute open the breaker; after its time one call is let in, which closes it or not")
    func breaker() {
        var standing = ChildStanding(ChildRules())
        for second in 0..<4 { _ = standing.died(at: start + .seconds(Int64(second)), spread: 1) }
        #expect(standing.breaker == .closed)
        #expect(standing.died(at: start + .seconds(4), spread: 1) == .seconds(30) && standing.breaker == .open)
        standing.proved()
        #expect(standing.breaker == .open, "an answer from before proves nothing")
        standing.started()
        #expect(standing.breaker == .trial)
        #expect(
            standing.died(at: start + .hours(1), spread: 1) == .seconds(30) && standing.breaker == .open, "one death is enough on trial")
        standing.started()
        standing.proved()
        #expect(standing.breaker == .closed && standing.deaths == [] && standing.deathsEver == 6)
    }
}
