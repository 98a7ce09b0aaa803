import Foundation
import PlatformTesting
import RoomTesting
import Testing
import Vocabulary
import Webhooks

@testable import Composition

@Suite("webhooks go where anybody could send them")
struct WebhookClientTests {
    static func failure(_ addresses: [String], url: String = "https://hooks.example.com/") async -> String {
        var client = WebhookClient(opens: false, clock: ManualClock())
        client.lookUp = { _, _ in addresses }
        let outcome = await client.send(url: url, headers: [], body: [1], timeout: .seconds(2))
        guard case .failed(let why) = outcome.result else { return "answered" }
        return why
    }

    @Test(
        "a public name that leads home is refused, also where one of its addresses is public",
        arguments: [
            ["127.0.0.1"], ["10.1.2.3"], ["169.254.169.254"], ["::1"], ["fd00::1"], ["::ffff:127.0.0.1"], ["8.8.8.8", "127.0.0.1"],
        ])
    func refuses(_ addresses: [String]) async {
        let why = await Self.failure(addresses)
        #expect(why.contains("which not everybody can reach"), "\(why)")
    }

    @Test("what cannot be looked up, has no address, or is no address of a webhook is a failure, not a fault")
    func failures() async {
        #expect(await Self.failure([]) == "hooks.example.com has no address")
        #expect(await Self.failure(["8.8.8.8"], url: "http://hooks.example.com/") == "webhooks do not go to this address")
        struct Gone: Error {}
        var client = WebhookClient(opens: false, clock: ManualClock())
        client.lookUp = { _, _ in throw Gone() }
        let outcome = await client.send(url: "https://hooks.example.com/", headers: [], body: [], timeout: .seconds(2))
        #expect(outcome.result == .failed("hooks.example.com cannot be looked up"))
    }

    @Test("a name server that says nothing is not waited for")
    func silence() async {
        let gate = DispatchSemaphore(value: 0)
        var client = WebhookClient(opens: false, clock: ManualClock())
        client.patience = .zero
        client.lookUp = { _, _ in
            gate.wait()
            return ["8.8.8.8"]
        }
        let outcome = await client.send(url: "https://hooks.example.com/", headers: [], body: [], timeout: .seconds(2))
        gate.signal()
        #expect(outcome.result == .failed("hooks.example.com cannot be looked up"))
    }
}
