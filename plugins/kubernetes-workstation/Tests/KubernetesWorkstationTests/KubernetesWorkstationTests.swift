import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import KubernetesWorkstation

@Suite("Workstations in Kubernetes")
struct KubernetesWorkstationTests {
    private static let key = WorkstationKey(tenant: "018f3a00-0000-7000-8000-000000000001", name: "018f3a00-0000-7000-8000-00000000000a")
    private static let size = WorkstationSize(machine: "standard-4", diskBytes: 50 << 30, idleStop: .hours(1))

    private func all(_ task: WorkstationTask, _ shop: any Provisioner, _ key: WorkstationKey = key) async throws {
        for name in try await shop.steps(for: task) {
            _ = try await shop.carryOut(WorkstationStep(key: key, task: task, name: name))
        }
    }
    private func said(_ work: () async throws -> Void) async -> String {
        do { try await work() } catch { return "\(error)" }
        return "done"
    }

    @Test("it passes every clause of the kit, with machines that are ready at once and with slow ones", arguments: [0, 2])
    func conformance(slowness: Int) async {
        let findings = await ProvisionerConformance(ClusterSubject(slowness: slowness)).run()
        #expect(findings.count >= 17 && !findings.contains(where: \.isSkipped))
        for finding in findings { #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)") }
    }

    @Test("what is sent for one workstation is the committed list of objects, which Kubernetes' schemas are held against")
    func objects() async throws {
        let cluster = PaperCluster()
        let (shop, _) = try await ClusterSubject.shop(cluster, ["storage_class": "fast"])
        try await all(.create(Self.size), shop)
        var sent: [JSONValue] = []
        for request in cluster.state.withLock({ $0.requests }) where ["POST", "PATCH"].contains(request.method) {
            var object = try JSONDecoder().decode(JSONValue.self, from: request.body)
            // The token is another each time.
            if object["kind"] == "Secret", case .object(var members) = object {
                #expect(Data(base64Encoded: object["data"]?["token"]?.string ?? "")?.count == 64)
                members["data"] = ["token": "dG9rZW4="]
                object = .object(members)
            }
            sent.append(object)
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let text = String(decoding: try encoder.encode(JSONValue.array(sent)), as: UTF8.self) + "\n"
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("objects.json")
        if ProcessInfo.processInfo.environment["WRITE_OBJECTS"] == "1" { try Data(text.utf8).write(to: file) }
        #expect(try String(contentsOf: file, encoding: .utf8) == text)
        #expect(
            sent.compactMap { $0["kind"]?.string } == [
                "ConfigMap", "Namespace", "ResourceQuota", "ServiceAccount", "RoleBinding", "Secret", "PersistentVolumeClaim", "Service",
                "StatefulSet",
            ])
        for object in sent {
            #expect(object["metadata"]?["labels"]?["app.kubernetes.io/managed-by"] == "coditect")
        }
    }

    @Test("a namespace that is somebody else's stays as it is, and what another manager owns is a conflict")
    func strangers() async throws {
        let cluster = PaperCluster()
        let (shop, _) = try await ClusterSubject.shop(cluster)
        let path = "/api/v1/namespaces/coditect-t-\(Self.key.tenant)"
        let theirs: JSONValue = ["kind": "Namespace", "metadata": ["name": "theirs", "labels": [:]]]
        cluster.state.withLock { $0.objects[path] = theirs }
        #expect(await said { try await all(.create(Self.size), shop) }.hasPrefix("refused"))
        try await all(.delete, shop)
        #expect(cluster.objects[path] == theirs && cluster.things == [path])
        cluster.state.withLock { $0.objects[path] = nil }
        _ = try await shop.carryOut(WorkstationStep(key: Self.key, task: .create(Self.size), name: "record"))
        cluster.state.withLock { $0.next = nil }
        let answer = OutboundResponse(status: 409, body: Data(#"{"reason": "Conflict"}"#.utf8))
        let client = ClusterClient(
            origin: "https://c", token: "t", http: ScriptedHTTP { _ in answer }, secrets: PluginSecrets([:]), timeout: .seconds(5))
        #expect(await said { try await client.apply("/x", [:]) }.hasPrefix("conflict"))
    }

    @Test("what the cluster answers is told truly: later, never, perhaps; and no token comes back")
    func answers() async throws {
        let cases: [(Int, String, String, String)] = [
            (500, "InternalError", "unknown", "unavailable"), (502, "", "unknown", "unavailable"),
            (429, "TooManyRequests", "unavailable", "unavailable"),
            (401, "Unauthorized", "refused", "refused"), (403, "Forbidden", "refused", "refused"), (422, "Invalid", "refused", "refused"),
            (507, "", "full", "full"),
        ]
        for (status, reason, writing, reading) in cases {
            let answer = OutboundResponse(status: status, body: Data(#"{"reason": "\#(reason)", "message": "of secret-token"}"#.utf8))
            let client = ClusterClient(
                origin: "https://c", token: "secret-token", http: ScriptedHTTP { _ in answer },
                secrets: PluginSecrets(["KUBERNETES_TOKEN": ["secret-token"]]), timeout: .seconds(5))
            let (wrote, read) = (await said { try await client.apply("/x", [:]) }, await said { _ = try await client.get("/x") })
            #expect(wrote.hasPrefix(writing) && read.hasPrefix(reading), "\(status): \(wrote), \(read)")
            #expect(!(wrote + read).contains("secret-token"))
        }
        let empty = ClusterClient(
            origin: "https://c", token: "t", http: ScriptedHTTP { _ in OutboundResponse(status: 200, body: Data("<html>".utf8)) },
            secrets: PluginSecrets([:]), timeout: .seconds(5))
        #expect(await said { try await empty.apply("/x", [:]) }.hasPrefix("unknown"))
        #expect(await said { _ = try await empty.list("/x", selector: "a") }.hasPrefix("unavailable"))
    }

    @Test("a machine that somebody took away is shown as failed, and two in one tenant leave with their own things only")
    func damage() async throws {
        let cluster = PaperCluster()
        let (shop, bench) = try await ClusterSubject.shop(cluster)
        let other = WorkstationKey(tenant: Self.key.tenant, name: "other")
        try await all(.create(Self.size), shop)
        try await all(.create(Self.size), shop, other)
        cluster.state.withLock { state in state.objects = state.objects.filter { !$0.key.hasSuffix("statefulsets/ws-other") } }
        #expect(try await shop.observe(other).state == .failed)
        #expect(try await shop.observe(Self.key).address == "https://\(Self.key.name).\(Self.key.tenant).workstations.example.com")
        try await all(.delete, shop, other)
        #expect(try await shop.list(tenant: Self.key.tenant).map(\.key) == [Self.key])
        #expect(
            !cluster.things.contains { $0.contains("ws-other") }
                && cluster.things.contains("/api/v1/namespaces/coditect-t-\(Self.key.tenant)"))
        try await all(.delete, shop)
        #expect(cluster.things.isEmpty)
        #expect(try await bench.space.keys(prefix: "", after: nil, limit: 10).isEmpty)
    }

    @Test("names that are no labels go by their hash, and no two go by the same")
    func names() {
        let texts = ["a", "A", "a.b", "a_b", "x-1", "-a", "a-", String(repeating: "a", count: 40), String(repeating: "a", count: 41), "ä"]
        let labels = texts.map(ClusterPlan.label)
        #expect(Set(labels).count == texts.count && labels.allSatisfy(ClusterPlan.isLabel))
        #expect(labels[0] == "a" && labels[4].hasPrefix("x-") && labels[4] != "x-1")
    }

    @Test("settings that would send the token in the clear, or an address that names nobody, are refused")
    func settings() async throws {
        for (name, value) in [
            ("api", "http://cluster.example.com"), ("api", "https://cluster.example.com/path"), ("address", "https://one.example.com/"),
            ("address", "javascript:{name}"), ("namespace", "Not A Label"), ("image", "a b"),
        ] {
            let cluster = PaperCluster()
            await #expect(throws: (any Error).self, "\(name) \(value)") {
                _ = try await ClusterSubject.shop(cluster, [name: .string(value)])
            }
        }
    }
}
