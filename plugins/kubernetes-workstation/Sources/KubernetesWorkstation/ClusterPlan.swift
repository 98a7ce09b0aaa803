import Foundation
import PluginKit

/// What the objects of a workstation are called and look like. Pure.
struct ClusterPlan: Sendable {
    let origin: String
    let home: String
    let image: String
    let address: String
    let storageClass: String?
    let clusterRole: String
    let maxWorkstations: Int
    let maxDiskBytes: Int64

    static let port: Int64 = 8_888
    static let machines = [
        MachineType(name: "standard-2", cpuMillis: 2_000, memoryBytes: 8 << 30),
        MachineType(name: "standard-4", cpuMillis: 4_000, memoryBytes: 16 << 30),
        MachineType(name: "standard-8", cpuMillis: 8_000, memoryBytes: 32 << 30),
    ]

    init(_ settings: PluginSettings) throws {
        var written = try settings.text("api")
        if written.hasSuffix("/") { written.removeLast() }
        guard let parts = URLComponents(string: written), let scheme = parts.scheme?.lowercased(), parts.host != nil, parts.path.isEmpty,
            parts.query == nil, parts.fragment == nil, parts.user == nil
        else { throw PluginRefusal("api must be scheme and host, without a path.") }
        guard scheme == "https" || WebOrigin(written)?.isLoopback == true else {
            throw PluginRefusal("api is http, and on another machine: the token would cross the network in the clear.")
        }
        origin = written
        home = try settings.text("namespace")
        guard Self.isLabel(home) else { throw PluginRefusal("namespace has lower-case letters, digits and hyphens only.") }
        image = try settings.text("image")
        guard image.utf8.allSatisfy({ (33...126).contains($0) }) else { throw PluginRefusal("image is a reference of an image.") }
        address = try settings.text("address")
        storageClass = settings["storage_class"]?.string
        clusterRole = try settings.text("cluster_role")
        maxWorkstations = try settings.integer("max_workstations")
        maxDiskBytes = Int64(try settings.integer("max_disk_gigabytes")) << 30
        guard address.contains("{name}"), WebOrigin(reach(WorkstationKey(tenant: "t", name: "n")), allowingQuery: true) != nil else {
            throw PluginRefusal("address is https:// and a host that names {name}, and {tenant} where names repeat.")
        }
    }

    // MARK: Names

    static func isLabel(_ text: String) -> Bool {
        let signs = Array(text.utf8)
        guard (1...40).contains(signs.count), let first = signs.first, let last = signs.last, first != 45, last != 45 else { return false }
        return signs.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 }
    }
    /// The same for the same text, another for another; what is no label already goes by its hash.
    static func label(_ text: String) -> String {
        isLabel(text) && !text.hasPrefix("x-") ? text : "x-" + PluginDigest.hex(Array(PluginDigest.sha256(Data(text.utf8)).prefix(16)))
    }
    func namespace(_ tenant: String) -> String { "\(home)-t-\(Self.label(tenant))" }
    func name(_ key: WorkstationKey) -> String { "ws-\(Self.label(key.name))" }
    func record(_ key: WorkstationKey) -> String {
        "ws-" + PluginDigest.hex(Array(PluginDigest.sha256(Data("\(key)".utf8)).prefix(16)))
    }
    func reach(_ key: WorkstationKey) -> String {
        address.replacing("{name}", with: Self.label(key.name)).replacing("{tenant}", with: Self.label(key.tenant))
    }
    static func secretPlace(_ key: WorkstationKey) -> String {
        "workstation/" + PluginDigest.hex(Array(PluginDigest.sha256(Data("\(key)".utf8)).prefix(16)))
    }

    // MARK: Paths

    var records: String { "/api/v1/namespaces/\(home)/configmaps" }
    func namespacePath(_ tenant: String) -> String { "/api/v1/namespaces/\(namespace(tenant))" }
    func quotaPath(_ tenant: String) -> String { "\(namespacePath(tenant))/resourcequotas/workstations" }
    func accountPath(_ tenant: String) -> String { "\(namespacePath(tenant))/serviceaccounts/workstation" }
    func bindingPath(_ tenant: String) -> String {
        "/apis/rbac.authorization.k8s.io/v1/namespaces/\(namespace(tenant))/rolebindings/workstation"
    }
    func secretPath(_ key: WorkstationKey) -> String { "\(namespacePath(key.tenant))/secrets/\(name(key))" }
    func diskPath(_ key: WorkstationKey) -> String { "\(namespacePath(key.tenant))/persistentvolumeclaims/\(name(key))" }
    func servicePath(_ key: WorkstationKey) -> String { "\(namespacePath(key.tenant))/services/\(name(key))" }
    func machinePath(_ key: WorkstationKey) -> String { "/apis/apps/v1/namespaces/\(namespace(key.tenant))/statefulsets/\(name(key))" }

    // MARK: Objects

    static let owned = "app.kubernetes.io/managed-by=\(ClusterClient.manager)"
    static func labels(tenant: String, _ key: WorkstationKey? = nil) -> JSONValue {
        var labels: [String: JSONValue] = [
            "app.kubernetes.io/managed-by": .string(ClusterClient.manager), "coditect/tenant": .string(label(tenant)),
        ]
        if let key { labels["coditect/workstation"] = .string(label(key.name)) }
        return .object(labels)
    }
    private func object(
        _ version: String, _ kind: String, name: String, namespace: String?, tenant: String, key: WorkstationKey? = nil,
        _ members: [String: JSONValue]
    ) -> JSONValue {
        var metadata: [String: JSONValue] = ["name": .string(name), "labels": Self.labels(tenant: tenant, key)]
        if let namespace { metadata["namespace"] = .string(namespace) }
        return .object(
            members.merging(["apiVersion": .string(version), "kind": .string(kind), "metadata": .object(metadata)]) { given, _ in given })
    }

    func recordObject(_ record: ClusterRecord, version: String?) -> JSONValue {
        var metadata: [String: JSONValue] = [
            "name": .string(self.record(record.key)), "namespace": .string(home),
            "labels": Self.labels(tenant: record.key.tenant, record.key),
        ]
        if let version { metadata["resourceVersion"] = .string(version) }
        return [
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": .object(metadata),
            "data": [
                "tenant": .string(record.key.tenant), "name": .string(record.key.name), "state": .string(record.state.rawValue),
                "machine": .string(record.size.machine), "disk_bytes": .string("\(record.size.diskBytes)"),
                "idle_seconds": .string(record.size.idleStop.map { "\($0.components.seconds)" } ?? ""),
            ],
        ]
    }
    func namespaceObject(_ tenant: String) -> JSONValue {
        object("v1", "Namespace", name: namespace(tenant), namespace: nil, tenant: tenant, [:])
    }
    func quotaObject(_ tenant: String) -> JSONValue {
        object(
            "v1", "ResourceQuota", name: "workstations", namespace: namespace(tenant), tenant: tenant,
            [
                "spec": [
                    "hard": [
                        "count/statefulsets.apps": .string("\(maxWorkstations)"),
                        "count/persistentvolumeclaims": .string("\(maxWorkstations)"),
                        "services.loadbalancers": "0", "services.nodeports": "0",
                    ]
                ]
            ])
    }
    func accountObject(_ tenant: String) -> JSONValue {
        object(
            "v1", "ServiceAccount", name: "workstation", namespace: namespace(tenant), tenant: tenant,
            ["automountServiceAccountToken": false])
    }
    func bindingObject(_ tenant: String) -> JSONValue {
        object(
            "rbac.authorization.k8s.io/v1", "RoleBinding", name: "workstation", namespace: namespace(tenant), tenant: tenant,
            [
                "roleRef": ["apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": .string(clusterRole)],
                "subjects": [["kind": "ServiceAccount", "name": "workstation", "namespace": .string(namespace(tenant))]],
            ])
    }
    func secretObject(_ key: WorkstationKey, token: String) -> JSONValue {
        object(
            "v1", "Secret", name: name(key), namespace: namespace(key.tenant), tenant: key.tenant, key: key,
            ["type": "Opaque", "data": ["token": .string(Data(token.utf8).base64EncodedString())]])
    }
    func diskObject(_ key: WorkstationKey, _ size: WorkstationSize) -> JSONValue {
        var spec: [String: JSONValue] = [
            "accessModes": ["ReadWriteOnce"], "resources": ["requests": ["storage": .string("\(size.diskBytes)")]],
        ]
        if let storageClass { spec["storageClassName"] = .string(storageClass) }
        return object(
            "v1", "PersistentVolumeClaim", name: name(key), namespace: namespace(key.tenant), tenant: key.tenant, key: key,
            ["spec": .object(spec)])
    }
    func serviceObject(_ key: WorkstationKey) -> JSONValue {
        object(
            "v1", "Service", name: name(key), namespace: namespace(key.tenant), tenant: key.tenant, key: key,
            [
                "spec": [
                    "type": "ClusterIP", "selector": Self.labels(tenant: key.tenant, key),
                    "ports": [["name": "http", "port": .int(Self.port), "targetPort": .int(Self.port), "protocol": "TCP"]],
                ]
            ])
    }
    func machineObject(_ key: WorkstationKey, _ size: WorkstationSize, isOn: Bool) -> JSONValue {
        let machine = Self.machines.first { $0.name == size.machine } ?? Self.machines[0]
        let amounts: JSONValue = ["cpu": .string("\(machine.cpuMillis)m"), "memory": .string("\(machine.memoryBytes)")]
        let container: JSONValue = [
            "name": "workstation", "image": .string(image), "ports": [["containerPort": .int(Self.port), "protocol": "TCP"]],
            "env": [
                ["name": "WORKSTATION_TOKEN", "valueFrom": ["secretKeyRef": ["name": .string(name(key)), "key": "token"]]]
            ], "resources": ["requests": amounts, "limits": amounts],
            "securityContext": [
                "allowPrivilegeEscalation": false, "runAsNonRoot": true, "capabilities": ["drop": ["ALL"]],
                "seccompProfile": ["type": "RuntimeDefault"],
            ], "volumeMounts": [["name": "home", "mountPath": "/home/work"]],
            "readinessProbe": ["tcpSocket": ["port": .int(Self.port)], "periodSeconds": 2],
        ]
        return object(
            "apps/v1", "StatefulSet", name: name(key), namespace: namespace(key.tenant), tenant: key.tenant, key: key,
            [
                "spec": [
                    "replicas": .int(isOn ? 1 : 0), "serviceName": .string(name(key)),
                    "selector": ["matchLabels": Self.labels(tenant: key.tenant, key)],
                    "template": [
                        "metadata": ["labels": Self.labels(tenant: key.tenant, key)],
                        "spec": [
                            "serviceAccountName": "workstation", "automountServiceAccountToken": false, "enableServiceLinks": false,
                            "securityContext": ["runAsUser": 1_000, "runAsGroup": 1_000, "fsGroup": 1_000], "containers": [container],
                            "volumes": [["name": "home", "persistentVolumeClaim": ["claimName": .string(name(key))]]],
                        ],
                    ],
                ]
            ])
    }
}

/// What a workstation should be, as its ConfigMap says: the first that is made and the last that goes.
struct ClusterRecord: Sendable, Hashable {
    var key: WorkstationKey
    var state: WorkstationState
    var size: WorkstationSize

    /// Nil where it is none of ours.
    init?(_ object: JSONValue) {
        guard object["metadata"]?["labels"]?["app.kubernetes.io/managed-by"]?.string == ClusterClient.manager, let data = object["data"],
            let tenant = data["tenant"]?.string, let name = data["name"]?.string, let machine = data["machine"]?.string,
            let state = data["state"]?.string.flatMap(WorkstationState.init(rawValue:)),
            let bytes = data["disk_bytes"]?.string.flatMap({ Int64($0) }), bytes > 0
        else { return nil }
        key = WorkstationKey(tenant: tenant, name: name)
        guard key.fault == nil else { return nil }
        self.state = state
        let idle = data["idle_seconds"]?.string.flatMap { Int64($0) }
        size = WorkstationSize(machine: machine, diskBytes: bytes, idleStop: idle.map { .seconds($0) })
    }
    init(key: WorkstationKey, state: WorkstationState, size: WorkstationSize) {
        self.key = key
        self.state = state
        self.size = size
    }
}
