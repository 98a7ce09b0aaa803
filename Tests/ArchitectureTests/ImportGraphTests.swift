import Foundation
import Testing

/// Who may import whom. `Package.swift` says it to the compiler; this says it to a person, and sees what the compiler does not:
/// a module that arrives through another one, and Foundation-only rooms that begin to speak HTTP.
struct ImportGraphTests {
    static let anyone: Set<String> = ["Foundation", "FoundationNetworking", "Glibc", "Synchronization", "Dispatch"]
    static let floor: Set<String> = ["Vocabulary", "HookEngine", "Store", "Signing", "KeyValue"]

    /// Features from left to right, with their declared left neighbours.
    static let features: [(name: String, left: Set<String>)] = [
        ("Tenancy", []), ("Identity", ["Tenancy", "CArgon2"]), ("Access", ["Identity", "Tenancy"]), ("Catalog", ["Tenancy"]),
        ("Billing", ["Tenancy", "Catalog"]), ("Licensing", ["Tenancy", "Catalog", "LicenseFormat"]),
        ("Seats", ["Tenancy", "Licensing", "LicenseFormat"]), ("Notifications", ["Tenancy"]), ("Compliance", ["Tenancy"]),
        ("Projects", ["Tenancy"]), ("Offboarding", ["Tenancy", "Compliance"]),
        ("DataRequests", ["Tenancy", "Identity"]),
    ]

    static let others: [String: Set<String>] = [
        "Vocabulary": ["PluginKit"],
        "Telemetry": ["Vocabulary", "Logging"],
        "HookEngine": ["Vocabulary"],
        "Store": ["Vocabulary", "COpenSSL"],
        "StoreSQLite": ["Vocabulary", "Store", "CSQLite"],
        "StorePostgres": ["Vocabulary", "Store", "CPostgres"],
        "KeyValue": ["Vocabulary"],
        "KeyValueRedis": ["Vocabulary", "KeyValue", "RedisShim", "NIOCore", "NIOPosix", "NIOSSL"],
        "Signing": ["Vocabulary", "COpenSSL", "Store"],
        "LicenseFormat": ["Vocabulary", "Signing", "COpenSSL"],
        "LicenseClient": ["Vocabulary", "Signing", "LicenseFormat"],
        "LicenseClientC": ["LicenseClient", "CLicenseClient"],
        "HTTPEdge": ["Vocabulary", "KeyValue", "Signing"],
        "PolicyHost": ["Vocabulary", "HookEngine", "LuaShim", "PrisonShim"],
        "PluginWire": ["PluginKit", "PrisonShim"],
        "PluginHost": ["Vocabulary", "HookEngine", "PluginKit", "PluginNote", "PluginWire", "PrisonShim"],
        "PluginPrison": ["PluginKit", "PluginHost"],
        "coditect-plugin-child": ["PluginKit", "PluginWire", "WallShim"],
    ]

    @Test("no target imports more than the house allows", arguments: try! House.files("Sources", endings: ["swift"]))  // the tree is there
    func importsStayInside(_ file: House.SourceFile) {
        let allowed: Set<String>
        if let feature = Self.features.first(where: { $0.name == file.target }) {
            // A room speaks HTTP only where its routes are, and where it proves callers to the edge.
            let speaksHTTP = file.name.contains("Routes") || file.name.contains("Authenticator") || file.name.contains("Authorizer")
            allowed = Self.floor.union(feature.left).union(["PluginKit"]).union(speaksHTTP ? ["HTTPEdge"] : [])
        } else if let known = Self.others[file.target] {
            allowed = known
        } else {
            return  // the roof: HTTPServer, Console, Composition, testing modules and programs see what Package.swift gives them
        }
        let foreign = file.imports.subtracting(allowed).subtracting(Self.anyone).subtracting([file.target])
        #expect(foreign.isEmpty, "\(file.path) imports \(foreign.sorted()); the house allows \(allowed.sorted())")
    }

    @Test("features import only to their left")
    func leftOnly() {
        let order = Self.features.map(\.name)
        for (index, feature) in Self.features.enumerated() {
            for neighbour in feature.left where order.contains(neighbour) {
                #expect(order.firstIndex(of: neighbour).map { $0 < index } == true, "\(feature.name) → \(neighbour) looks right")
            }
        }
    }

    @Test("only Composition, the roof and the tests know the hosts and the drivers")
    func hostsStayOut() throws {
        let hosts: Set<String> = ["PolicyHost", "PluginHost", "StoreSQLite", "StorePostgres", "HTTPServer", "KeyValueRedis"]
        let free: Set<String> = [
            "Composition", "RoomTesting", "PlatformTesting", "coditectd", "PolicyHost", "PluginHost", "PluginPrison", "StoreSQLite",
            "StorePostgres",
            "HTTPServer",
        ]
        for file in try House.files("Sources", endings: ["swift"]) where !free.contains(file.target) {
            #expect(file.imports.isDisjoint(with: hosts), "\(file.path) imports \(file.imports.intersection(hosts).sorted())")
        }
    }

    @Test("the plugin kit imports nothing but Foundation, and plugins nothing but the kit")
    func pluginsStandAlone() throws {
        for file in try House.files("plugins", endings: ["swift"]) where file.path.contains("/Sources/") {
            let allowed: Set<String> = file.path.hasPrefix("plugins/sdk/") ? ["PluginKit"] : ["PluginKit", "PluginKitTesting"]
            // Its own targets, those in C too.
            let package = file.path.split(separator: "/").prefix(2).joined(separator: "/")
            let targets = (try? FileManager.default.contentsOfDirectory(atPath: "\(House.root.path)/\(package)/Sources")) ?? []
            let own = Set(file.path.split(separator: "/").map(String.init) + targets)
            let foreign = file.imports.subtracting(Self.anyone).subtracting(allowed).subtracting(own)
            #expect(foreign.isEmpty, "\(file.path) imports \(foreign.sorted())")
        }
    }
}
