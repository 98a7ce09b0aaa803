import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import KubernetesWorkstation

/// A cluster on paper: a stand-in for the API, as far as the plugin asks it. It keeps what is applied, refuses what lacks its namespace or its
/// version, and takes away with a namespace all that is in it. It schedules nothing and validates no object; what is sent is held against
/// Kubernetes' own schemas by Tests/Interop/test_kubernetes_workstation.py.
final class PaperCluster: Sendable {
    struct State {
        var objects: [String: JSONValue] = [:]
        var version: Int64 = 0
        var situation = ProvisionerSituation.works
        var requests: [OutboundRequest] = []
        /// Answered to the next request in its place.
        var next: OutboundResponse?
        /// How often a machine is asked for before it is ready.
        var slowness = 0
    }
    let state = Mutex(State())
    let token = "paper-cluster-token"

    init() {
        state.withLock { $0.objects["/api/v1/namespaces/coditect"] = ["kind": "Namespace", "metadata": ["name": "coditect"]] }
    }
    var things: [String] { state.withLock { $0.objects.keys.filter { $0 != "/api/v1/namespaces/coditect" }.sorted() } }
    var objects: [String: JSONValue] { state.withLock { $0.objects } }

    func send(_ request: OutboundRequest) throws -> OutboundResponse {
        let (situation, next) = state.withLock { state in
            state.requests.append(request)
            defer { state.next = nil }
            return (state.situation, state.next)
        }
        if let next { return next }
        let writes = request.method != "GET"
        switch situation {
        case .away: throw OutboundFailure.unsent("no connection, \(token)")
        case .losesAnswers where writes:
            _ = serve(request)
            throw OutboundFailure.unanswered("the answer did not come, \(token)")
        default: return serve(request)
        }
    }

    private func serve(_ request: OutboundRequest) -> OutboundResponse {
        guard request.headers["authorization"] == "Bearer \(token)" else { return refused(401, "Unauthorized", "") }
        guard let parts = URLComponents(string: request.url) else { return refused(400, "BadRequest", "") }
        let query = Dictionary((parts.queryItems ?? []).map { ($0.name, $0.value ?? "") }) { $1 }
        let path = parts.path
        let body = try? JSONDecoder().decode(JSONValue.self, from: request.body)
        return state.withLock { state in
            switch request.method {
            case "GET":
                if let found = state.objects[path] { return answer(shown(found, path, &state)) }
                guard query["labelSelector"] != nil else { return refused(404, "NotFound", path) }
                return list(path, query, state)
            case "POST":
                guard let body, let name = body["metadata"]?["name"]?.string else { return refused(422, "Invalid", "") }
                if state.objects["\(path)/\(name)"] != nil { return refused(409, "AlreadyExists", name) }
                return keep(body, "\(path)/\(name)", &state)
            case "PATCH":
                guard request.headers["content-type"] == "application/apply-patch+yaml", query["fieldManager"] == "coditect", let body,
                    body["metadata"]?["name"]?.string == path.split(separator: "/").last.map(String.init)
                else { return refused(422, "Invalid", path) }
                return keep(body, path, &state)
            case "PUT":
                guard let body, let held = state.objects[path] else { return refused(404, "NotFound", path) }
                guard held["metadata"]?["resourceVersion"] == body["metadata"]?["resourceVersion"] else {
                    return refused(409, "Conflict", path)
                }
                return keep(body, path, &state)
            default:
                guard state.objects[path] != nil else { return refused(404, "NotFound", path) }
                state.objects[path] = nil
                let name = path.split(separator: "/").last ?? ""
                if path.hasPrefix("/api/v1/namespaces/"), path.split(separator: "/").count == 4 {
                    state.objects = state.objects.filter { !$0.key.contains("/namespaces/\(name)/") }
                }
                return answer(["kind": "Status", "status": "Success"])
            }
        }
    }

    private func keep(_ body: JSONValue, _ path: String, _ state: inout State) -> OutboundResponse {
        let parts = path.split(separator: "/").map(String.init)
        if let place = parts.firstIndex(of: "namespaces"), parts.count > place + 2 {
            guard state.objects["/api/v1/namespaces/\(parts[place + 1])"] != nil else { return refused(404, "NotFound", path) }
        }
        if state.situation == .full, body["kind"] == "PersistentVolumeClaim" {
            return refused(403, "Forbidden", "persistentvolumeclaims is forbidden: exceeded quota: workstations, \(token)")
        }
        guard case .object(var members) = body, case .object(var metadata)? = body["metadata"] else { return refused(422, "Invalid", path) }
        // Another disk than before, and smaller: the API refuses it.
        if body["kind"] == "PersistentVolumeClaim", let before = storage(state.objects[path]), let now = storage(body), now < before {
            return refused(422, "Invalid", "a disk cannot shrink")
        }
        state.version += 1
        metadata["resourceVersion"] = .string("\(state.version)")
        members["metadata"] = .object(metadata)
        state.objects[path] = .object(members)
        return answer(.object(members))
    }
    private func storage(_ object: JSONValue?) -> Int64? {
        object?["spec"]?["resources"]?["requests"]?["storage"]?.string.flatMap { Int64($0) }
    }
    private func shown(_ object: JSONValue, _ path: String, _ state: inout State) -> JSONValue {
        guard object["kind"] == "StatefulSet", case .object(var members) = object else { return object }
        let replicas = object["spec"]?["replicas"]?.int ?? 0
        let isSlow = replicas > 0 && state.slowness > 0
        if isSlow { state.slowness -= 1 }
        members["status"] = ["replicas": .int(replicas), "readyReplicas": .int(isSlow ? 0 : replicas)]
        return .object(members)
    }
    /// Two a page, so that there are pages.
    private func list(_ path: String, _ query: [String: String], _ state: State) -> OutboundResponse {
        let wanted = (query["labelSelector"] ?? "").split(separator: ",").map { $0.split(separator: "=").map(String.init) }
        let all = state.objects.filter { key, object in
            key.hasPrefix(path + "/") && wanted.allSatisfy { $0.count == 2 && object["metadata"]?["labels"]?[$0[0]]?.string == $0[1] }
        }
        .sorted { $0.key < $1.key }
        let from = query["continue"].flatMap { Int($0) } ?? 0
        let page = all.dropFirst(from).prefix(2)
        let next = from + page.count < all.count ? "\(from + page.count)" : ""
        return answer(["kind": "List", "metadata": ["continue": .string(next)], "items": .array(page.map(\.value))])
    }
    private func answer(_ value: JSONValue) -> OutboundResponse {
        OutboundResponse(status: 200, headers: ["content-type": "application/json"], body: (try? JSONEncoder().encode(value)) ?? Data())
    }
    private func refused(_ status: Int, _ reason: String, _ message: String) -> OutboundResponse {
        let body: JSONValue = ["kind": "Status", "status": "Failure", "reason": .string(reason), "message": .string(message)]
        return OutboundResponse(status: status, body: (try? JSONEncoder().encode(body)) ?? Data())
    }
}

/// The plugin over that cluster.
struct ClusterSubject: ProvisionerSubject {
    static let start = Timestamp(microseconds: 1_795_253_400_000_000)
    static let settings: [String: JSONValue] = [
        "api": "https://cluster.example.com:6443", "image": "registry.example.com/workstation:1",
        "address": "https://{name}.{tenant}.workstations.example.com",
    ]
    var slowness = 0

    static func shop(_ cluster: PaperCluster, _ given: [String: JSONValue] = [:]) async throws -> (any Provisioner, PluginBench) {
        let package = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let bench = try PluginBench(manifest: package.appendingPathComponent("plugin.json"), at: start) { try cluster.send($0) }
        return (try await shop(cluster, given, bench), bench)
    }
    static func shop(_ cluster: PaperCluster, _ given: [String: JSONValue], _ bench: PluginBench) async throws -> any Provisioner {
        let context = try bench.context(
            settings: settings.merging(given) { $1 }, secrets: ["KUBERNETES_TOKEN": [cluster.token]])
        guard let made = try await PluginBench.made(KubernetesWorkstation(), context).provisioner else { throw PluginRefusal("none") }
        return made
    }

    func stage(_ situation: ProvisionerSituation) async throws -> ProvisionerStage {
        let cluster = PaperCluster()
        cluster.state.withLock {
            $0.situation = situation
            $0.slowness = slowness
        }
        let (shop, bench) = try await Self.shop(cluster)
        return ProvisionerStage(
            provisioner: shop,
            again: {
                cluster.state.withLock { $0.situation = .works }
                return try await Self.shop(cluster, [:], bench)
            },
            things: { try await cluster.things + bench.space.keys(prefix: "", after: nil, limit: 1_000) },
            secret: { _, place in try await bench.space.get(place).map { String(decoding: $0, as: UTF8.self) } })
    }
    func pass(_ span: Duration) async {}
}
