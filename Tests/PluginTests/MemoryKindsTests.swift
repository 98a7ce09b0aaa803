import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import PluginHost

/// The fixture's provisioner and desk, small but whole, through the host, its guard and the wire: they show that the kits can be passed, and,
/// with a fault seeded, that each kit sees it.
private final class World: Sendable {
    let bench: Bench
    let host: PluginHost

    init(_ isolation: PluginIsolation, mode: String, kind: String, fault: String) async throws {
        bench = try Bench(isolation)
        try bench.place { $0["kinds"] = ["payment_provider", .string(kind)] }
        bench.set("fails_in", .string(mode))
        if !fault.isEmpty { bench.set("fault", .string(fault)) }
        bench.state.withLock { $0.environment["MISBEHAVING_SECRET"] = "a secret of the desk" }
        host = bench.host()
        let report = await host.load()
        guard report.refused.isEmpty else { throw PluginRefusal("\(report.refused.map(\.reason))") }
    }
    /// A new, empty world for the same plugin, which keeps nothing by itself.
    func empty() { bench.state.withLock { ($0.values, $0.spaceFault) = ([:], nil) } }
    var things: [(space: String, key: String, value: Data)] {
        bench.state.withLock { $0.values }.flatMap { space, values in values.map { (space.tenant ?? "", $0.key, $0.value) } }
    }
    func breaks(_ fault: Bench.SpaceFault?) { bench.state.withLock { $0.spaceFault = fault } }
}

private struct Workshops: ProvisionerSubject {
    let world: World

    func stage(_ situation: ProvisionerSituation) async throws -> ProvisionerStage {
        world.empty()
        @Sendable func made() throws -> any Provisioner {
            guard let made = world.host.provisioner("misbehaving") else { throw PluginRefusal("no provisioner") }
            return made
        }
        let provisioner = try made()
        switch situation {
        case .works: break
        case .losesAnswers: world.breaks(.after)
        case .away: world.breaks(.before)
        case .full:
            let size = WorkstationSize(machine: "small", diskBytes: 1)
            for number in 0..<100 {
                let step = WorkstationStep(key: WorkstationKey(tenant: "t5", name: "w\(number)"), task: .create(size), name: "disk")
                _ = try await provisioner.carryOut(step)
            }
        }
        return ProvisionerStage(
            provisioner: provisioner,
            again: {
                world.breaks(nil)
                return try made()
            }, things: { world.things.map { "\($0.space):\($0.key)" }.sorted() },
            secret: { tenant, place in
                world.things.first { $0.space == tenant && $0.key == place }.map { String(decoding: $0.value, as: UTF8.self) }
            })
    }
    func pass(_ span: Duration) async {}
}

private struct Desks: SupportDeskSubject {
    let world: World
    let now = Timestamp(seconds: 1_800_000_000)
    var secrets: [String] { ["a secret of the desk"] }
    var unknownBody: Data { Data(#"{"type":"desk.painted","id":"e9","colour":"blue"}"#.utf8) }

    private struct Paper: Decodable {
        struct Note: Decodable { var text: String }
        var request: TicketRequest
        var state: TicketState
        var comments: [Note]
    }
    func stage(_ situation: DeskSituation) async throws -> DeskStage {
        world.empty()
        @Sendable func made() throws -> any SupportDesk {
            guard let made = world.host.supportDesk("misbehaving") else { throw PluginRefusal("no desk") }
            return made
        }
        let desk = try made()
        world.breaks(situation == .works ? nil : situation == .away ? .before : .after)
        return DeskStage(
            desk: desk,
            again: {
                world.breaks(nil)
                return try made()
            },
            tickets: {
                try world.things.filter { $0.key.hasPrefix("ticket/") }.map { thing in
                    let paper = try JSONDecoder().decode(Paper.self, from: thing.value)
                    return DeskTicket(
                        key: paper.request.key, subject: paper.request.subject, text: paper.request.text,
                        requester: paper.request.requester,
                        priority: paper.request.priority, comments: paper.comments.map(\.text), state: paper.state)
                }
            })
    }
    func body(_ event: TicketEvent) throws -> Data {
        var members: [String: JSONValue] = [
            "type": "ticket.changed", "id": .string(event.id), "ticket": .string(event.ticket.id),
            "state": .string(event.ticket.state.rawValue),
            "comments": .int(Int64(event.ticket.comments)), "version": .int(event.ticket.version),
        ]
        if let key = event.ticket.key { members["key"] = .string(key) }
        if let answer = event.answer { members["answer"] = .string(answer) }
        return try JSONValue.object(members).encoded()
    }
    func delivery(_ body: Data, at moment: Timestamp, isForeign: Bool) throws -> WebhookDelivery {
        let secret = isForeign ? "somebody else's secret" : secrets[0]
        return WebhookDelivery(
            headers: ["desk-signature": try WebhookSignature(secrets: [secret]).header(body: body, at: moment)], body: body, receivedAt: now
        )
    }
}

@Suite struct MemoryKindsTests {
    @Test("a small provisioner passes its kit through guard and wire", arguments: PluginIsolation.allCases)
    func provisioner(_ isolation: PluginIsolation) async throws {
        let world = try await World(isolation, mode: "makes_workstations", kind: "provisioner", fault: "")
        let findings = await ProvisionerConformance(Workshops(world: world)).run()
        #expect(findings.count >= 17)
        for finding in findings { #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)") }
        await world.host.stop()
    }

    @Test("a small support desk passes its kit through guard and wire", arguments: PluginIsolation.allCases)
    func desk(_ isolation: PluginIsolation) async throws {
        let world = try await World(isolation, mode: "takes_tickets", kind: "support_desk", fault: "")
        let findings = await SupportDeskConformance(Desks(world: world)).run()
        #expect(findings.count >= 13)
        for finding in findings { #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)") }
        await world.host.stop()
    }

    @Test(
        "the kit of provisioners sees each fault",
        arguments: [
            "leaves the secret", "makes two in a race", "deletes only what runs", "finds nothing to do with nothing",
            "resizes while it runs",
            "shrinks disks", "forgets the new machine", "starts what is suspended", "takes another size for the same",
            "takes steps in any order", "knows no limit", "forgets which steps are done", "sees nothing while it is away",
            "shows an address while it stands", "tells the secret", "lists who begins alike", "hides what is half made", "counts no disks",
            "calls a lost answer a refusal", "is done once only",
        ])
    func provisionerFaults(_ fault: String) async throws {
        let world = try await World(.inProcess, mode: "makes_workstations", kind: "provisioner", fault: fault)
        let findings = await ProvisionerConformance(Workshops(world: world)).run(stoppingAtFault: true)
        #expect(findings.last?.holds == false, "nothing was found")
        await world.host.stop()
    }

    @Test(
        "the kit of support desks sees each fault",
        arguments: [
            "opens one more each time", "cuts texts", "forgets who asks", "leaves how urgent it is out", "repeats comments",
            "takes comments on what is closed", "keeps its version", "cannot close twice", "knows no ticket while it is away",
            "believes what is old", "believes what is not signed", "believes everybody", "believes another body",
            "takes nonsense for silence", "stumbles over what is new", "remembers what it heard", "forgets the version",
            "calls a lost answer a refusal",
        ])
    func deskFaults(_ fault: String) async throws {
        let world = try await World(.inProcess, mode: "takes_tickets", kind: "support_desk", fault: fault)
        let findings = await SupportDeskConformance(Desks(world: world)).run(stoppingAtFault: true)
        #expect(findings.last?.holds == false, "nothing was found")
        await world.host.stop()
    }
}
