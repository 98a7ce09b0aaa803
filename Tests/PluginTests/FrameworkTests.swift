import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import PluginHost

/// Says and does what a test wants of a framework.
private final class OddFramework: ComplianceFramework {
    private let way: @Sendable (ControlQuestion) throws -> ControlAnswer
    let about: FrameworkDescription
    init(controls: [ControlDescription]? = nil, _ way: @escaping @Sendable (ControlQuestion) throws -> ControlAnswer) {
        self.way = way
        about = FrameworkDescription(
            id: "odd", title: "Odd", edition: "1",
            controls: controls ?? [
                ControlDescription(id: "C1", title: "One", criterion: "It holds.", reads: [EvidenceNeed(.auditChain, maxAgeSeconds: 3_600)])
            ])
    }
    func evaluate(_ question: ControlQuestion) throws -> ControlAnswer { try way(question) }
}

/// What a closure leaves behind.
private final class Noted<Value: Sendable>: Sendable {
    private let state: Mutex<Value>
    init(_ value: Value) { state = Mutex(value) }
    var value: Value {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

@Suite struct FrameworkTests {
    private static let fact = RelevantFact(.auditChain, "entries", 1)

    private func hosted(_ framework: any ComplianceFramework, _ bench: Bench) throws -> HostedFramework {
        let manifest = try PluginManifest(
            json: Data(
                #"{"manifest":1,"id":"odd","name":"Odd","version":"1.0.0","kinds":["compliance_framework"],"kit":"1.2","library":"libOdd.so"}"#
                    .utf8)
        )
        return HostedFramework(manifest, digest: "d", framework: framework, gate: WorkGate(), services: bench)
    }
    private func question(_ evidence: [Evidence] = []) -> ControlQuestion {
        ControlQuestion(control: "C1", scope: "platform", now: ComplianceSamples.now, evidence: evidence)
    }

    @Test("what a framework reads is what its control declares")
    func declared() async throws {
        let seen = Noted<[EvidenceKind]>([])
        let hosted = try hosted(
            OddFramework { question in
                seen.value = question.evidence.map(\.kind)
                return ControlAnswer(.pass, reason: "Well.", facts: [Self.fact])
            }, Bench())
        #expect(try await hosted.answer(question(ComplianceSamples.sound())).outcome == .pass)
        #expect(seen.value == [.auditChain])
        await #expect(throws: FrameworkFailure.self) {
            try await hosted.answer(ControlQuestion(control: "C2", scope: "platform", now: ComplianceSamples.now, evidence: []))
        }
    }

    @Test(
        "an answer that no server takes is the framework's failure",
        arguments: [
            ControlAnswer(.pass, reason: "", facts: [fact]), ControlAnswer(.pass, reason: "No fact."),
            ControlAnswer(.pass, reason: "Two\nlines.", facts: [fact]),
            ControlAnswer(.fail, reason: String(repeating: "x", count: 501), facts: [fact]),
            ControlAnswer(.fail, reason: "Undeclared.", facts: [RelevantFact(.leavers, "ended", 1)]),
            ControlAnswer(.pass, reason: "Many.", facts: Array(repeating: fact, count: 51)),
            ControlAnswer(.notEvaluated, reason: "More.", missing: Array(repeating: "x", count: 21)),
            ControlAnswer(.pass, reason: "Huge.", facts: [RelevantFact(.auditChain, "x", .string(String(repeating: "x", count: 70_000)))]),
        ])
    func refused(_ answer: ControlAnswer) async throws {
        let hosted = try hosted(OddFramework { _ in answer }, Bench())
        await #expect(throws: FrameworkFailure.self) { try await hosted.answer(question()) }
    }

    @Test("a framework that throws has failed, in its own words")
    func throwing() async throws {
        let hosted = try hosted(OddFramework { _ in throw PluginRefusal("lost its head") }, Bench())
        await #expect(throws: FrameworkFailure("lost its head")) { try await hosted.answer(question()) }
    }

    @Test("one that hangs is waited for ten seconds, then asked nothing until it comes back")
    func hanging() async throws {
        let bench = try Bench()
        let door = DispatchSemaphore(value: 0)
        let hosted = try hosted(
            OddFramework { _ in
                door.wait()
                return ControlAnswer(.pass, reason: "Well.", facts: [Self.fact])
            }, bench)
        for _ in 0..<2 {
            async let late = hosted.answer(question())
            await bench.clock.sleepers(1)
            bench.clock.advance(by: .seconds(10))
            do {
                _ = try await late
                Issue.record("it answered")
            } catch { #expect(error as? FrameworkFailure == FrameworkFailure("it did not answer within 10 s")) }
        }
        await #expect(throws: FrameworkFailure("it has not come back from earlier questions")) { try await hosted.answer(question()) }
    }

    @Test("a framework that describes itself wrongly is refused")
    func described() throws {
        let good = ControlDescription(id: "C1", title: "One", criterion: "It holds.", missing: ["a paper"])
        var nameless = good
        nameless.id = "C 1"
        var vague = good
        vague.criterion = ""
        for controls in [[], [good, good], [nameless], [vague], Array(repeating: good, count: 501)] {
            #expect(try hosted(OddFramework(controls: controls) { _ in ControlAnswer(.fail, reason: "x") }, Bench()).fault != nil)
        }
        #expect(try hosted(OddFramework { _ in ControlAnswer(.fail, reason: "x") }, Bench()).fault == nil)
    }

    @Test(
        "soc2 is at work in process and apart, and what the server loaded passes the conformance kit", arguments: PluginIsolation.allCases)
    func shipped(_ isolation: PluginIsolation) async throws {
        struct Hosted: ComplianceFrameworkSubject {
            let framework: any ComplianceFramework
            let published: [String]? = nil
            func framework() async throws -> any ComplianceFramework { framework }
        }
        let bench = try Bench(isolation)
        let host = PluginHost(directory: ShippedPluginsTests.directory, copies: bench.copies, services: bench)
        await host.load()
        let soc2 = try #require(host.frameworks.first)
        #expect(soc2.about.id == "soc2" && soc2.about.controls.count == 34)
        let answer = try await soc2.answer(
            ControlQuestion(
                control: "CC2.1", scope: ComplianceSamples.scope, now: ComplianceSamples.now, evidence: ComplianceSamples.sound()))
        #expect(answer.outcome == .pass)
        if isolation == .inProcess {
            for finding in await ComplianceFrameworkConformance(Hosted(framework: soc2.framework)).run() {
                #expect(finding.faults == [], "\(finding.check)")
            }
        }
        await host.stop()
    }
}
