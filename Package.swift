// swift-tools-version: 6.2
// The graph of the house. A target may import only what its line names; the build refuses the rest.
//
// CODITECT_ROOMS=Seats,Identity swift test   builds and tests those rooms and what they stand on, nothing else.

import PackageDescription

// MARK: - Kinds of target

let modern: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]
/// A warning is an error, and in debug already: whoever passes the tests can be released.
let strict: [SwiftSetting] = modern + [.unsafeFlags(["-warnings-as-errors"])]

enum Kind { case system, c, swift, program, test }

struct Entry {
    let kind: Kind
    let name: String
    var on: [String] = []
    var products: [Target.Dependency] = []
    var resources: [Resource] = []
    var exclude: [String] = []
    var pkgConfig: String?
    var debian: String?
    var path: String?
}

func system(_ name: String, pkgConfig: String, debian: String) -> Entry {
    Entry(kind: .system, name: name, pkgConfig: pkgConfig, debian: debian)
}
func c(_ name: String, on: [String], path: String? = nil) -> Entry { Entry(kind: .c, name: name, on: on, path: path) }
func floor(
    _ name: String, on: [String] = [], products: [Target.Dependency] = [], resources: [Resource] = [], exclude: [String] = []
) -> Entry {
    Entry(kind: .swift, name: name, on: on, products: products, resources: resources, exclude: exclude)
}
/// A feature: the shared floor, its declared left neighbours, its migrations and its README.
func room(_ name: String, left: [String] = [], products: [Target.Dependency] = [], resources: [Resource] = []) -> Entry {
    Entry(
        kind: .swift, name: name, on: ["Vocabulary", "HookEngine", "Store", "Signing", "KeyValue", "HTTPEdge"] + left,
        products: products, resources: [.copy("Migrations")] + resources, exclude: ["README.md"])
}
func program(_ name: String, on: [String], products: [Target.Dependency] = [], path: String? = nil) -> Entry {
    Entry(kind: .program, name: name, on: on, products: products, path: path)
}
func tests(_ name: String, on: [String], products: [Target.Dependency] = [], resources: [Resource] = []) -> Entry {
    Entry(kind: .test, name: name, on: on, products: products, resources: resources)
}

let kit: Target.Dependency = .product(name: "PluginKit", package: "sdk")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let hummingbird: [Target.Dependency] = [
    .product(name: "HummingbirdCore", package: "hummingbird"), .product(name: "HummingbirdTLS", package: "hummingbird"),
    .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"), logging,
]
let redis: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOSSL", package: "swift-nio-ssl"),
]
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

// MARK: - The graph, from the ground up

let entries: [Entry] = [
    // Debian's libraries
    system("CLua", pkgConfig: "lua5.4", debian: "liblua5.4-dev"),
    system("CSQLite", pkgConfig: "sqlite3", debian: "libsqlite3-dev"),
    system("CPostgres", pkgConfig: "libpq", debian: "libpq-dev"),
    system("COpenSSL", pkgConfig: "openssl", debian: "libssl-dev"),
    system("CArgon2", pkgConfig: "libargon2", debian: "libargon2-dev"),
    // Without pkg-config, whose flag for file sizes the package manager does not take.
    Entry(kind: .system, name: "CHiredis", debian: "libhiredis-dev"),
    c("LuaShim", on: ["CLua"]),
    c("PrisonShim", on: []),
    c("WallShim", on: []),
    c("RedisShim", on: ["CHiredis"]),

    // The floor
    floor("Vocabulary", products: [kit]),
    floor("Telemetry", on: ["Vocabulary"], products: [logging]),
    floor("HookEngine", on: ["Vocabulary"]),
    floor("Store", on: ["Vocabulary", "COpenSSL"]),
    floor("StoreSQLite", on: ["Store", "CSQLite"]),
    floor("StorePostgres", on: ["Store", "CPostgres"], exclude: ["README.md"]),
    floor("KeyValue", on: ["Vocabulary"]),
    floor("KeyValueRedis", on: ["Vocabulary", "KeyValue", "RedisShim"], products: redis, exclude: ["README.md"]),
    floor("Signing", on: ["Vocabulary", "Store", "COpenSSL"]),
    floor("LicenseFormat", on: ["Vocabulary", "Signing", "COpenSSL"]),
    floor("HTTPEdge", on: ["Vocabulary", "KeyValue", "Signing"]),
    floor("HTTPServer", on: ["Vocabulary", "HTTPEdge", "Telemetry"], products: hummingbird),
    floor("PolicyHost", on: ["HookEngine", "LuaShim", "PrisonShim"], resources: [.copy("Attacks")]),
    floor("PluginWire", on: ["PrisonShim"], products: [kit]),
    floor(
        "PluginHost", on: ["Vocabulary", "HookEngine", "PluginWire", "PrisonShim"],
        products: [kit, .product(name: "PluginNote", package: "sdk")]),
    // The same prison for a plugin's own tests, as a library.
    floor("PluginPrison", on: ["PluginHost"], products: [kit]),
    // The process of a plugin that runs apart: nothing of the kernel is in it.
    program("coditect-plugin-child", on: ["PluginWire", "WallShim"], products: [kit]),
    // Keeps one workstation of plugins/local-workstation; in C, because it forks, and is there once for each of them.
    program("coditect-workstation", on: []),

    // The features, from left to right
    room("Tenancy", resources: [.copy("DirectoryMigrations")]),
    room("Identity", left: ["Tenancy", "CArgon2"], resources: [.copy("Words")]),
    room("Access", left: ["Identity", "Tenancy"]),
    room("Catalog", left: ["Tenancy"]),
    room("Billing", left: ["Tenancy", "Catalog"], products: [kit]),
    room("Usage", left: ["Catalog", "Tenancy"]),
    room("Licensing", left: ["Tenancy", "Catalog", "LicenseFormat"]),
    room("Seats", left: ["Tenancy", "Licensing", "LicenseFormat"]),
    room("Provisioning", left: ["Catalog", "Tenancy"], products: [kit]),
    room("Projects", left: ["Tenancy"], products: [kit]),
    room("Notifications", left: ["Tenancy"]),
    room("TenantPolicies", left: ["Tenancy"]),
    room("Compliance", left: ["Tenancy"], products: [kit]),
    room("Webhooks", left: ["Tenancy"]),
    room("Offboarding", left: ["Tenancy", "Compliance"]),
    room("DataRequests", left: ["Tenancy", "Identity"]),

    // The roof
    floor(
        "Backoffice",
        on: ["Vocabulary", "HTTPEdge", "Store", "Tenancy", "Catalog", "Billing", "Licensing", "Seats"], products: [kit],
        exclude: ["README.md"]),
    floor(
        "Console",
        on: [
            "Vocabulary", "HTTPEdge", "Store", "Signing", "Tenancy", "Identity", "Access", "Catalog", "Billing", "Licensing", "Seats",
            "Notifications",
        ], products: [.product(name: "Mustache", package: "swift-mustache")], resources: [.copy("Templates")], exclude: ["README.md"]),
    floor(
        "Composition",
        on: [
            "Vocabulary", "Telemetry", "HookEngine", "Store", "StoreSQLite", "StorePostgres", "KeyValue", "KeyValueRedis", "Signing",
            "HTTPEdge",
            "HTTPServer", "PolicyHost", "PluginHost", "Tenancy", "Identity", "Access", "Catalog", "Billing", "Usage", "Licensing", "Seats",
            "Provisioning", "Projects", "Notifications", "TenantPolicies", "Webhooks", "Compliance", "Offboarding", "DataRequests",
            "Console", "Backoffice",
        ],
        products: [
            kit, .product(name: "PluginKitTesting", package: "sdk-testing"), logging, .product(name: "Yams", package: "Yams"),
            .product(name: "AsyncHTTPClient", package: "async-http-client"),
            .product(name: "NIOPosix", package: "swift-nio"), .product(name: "NIOHTTP1", package: "swift-nio"),
            .product(name: "NIOTLS", package: "swift-nio"), .product(name: "NIOSSL", package: "swift-nio-ssl"),
        ],
        resources: [.copy("Migrations")]),
    floor(
        "Simulation",
        on: ["Composition", "Vocabulary", "HookEngine", "HTTPEdge", "Identity", "Billing", "Notifications", "Webhooks"],
        products: [kit, .product(name: "Yams", package: "Yams")], exclude: ["README.md"]),
    floor("LicenseTesting", on: ["Vocabulary", "Signing", "LicenseFormat"]),
    floor("RedisTesting", on: ["Vocabulary"]),
    floor("RoomTesting", on: ["Vocabulary", "HookEngine", "Store", "StoreSQLite", "StorePostgres", "KeyValue", "Signing", "HTTPEdge"]),
    floor("PlatformTesting", on: ["Composition", "RoomTesting", "HTTPEdge", "Identity", "Vocabulary"]),
    program("coditectd", on: ["Composition", "Simulation"], products: [arguments]),
    floor("LicenseClient", on: ["Vocabulary", "Signing", "LicenseFormat"]),
    c("CLicenseClient", on: []),
    floor("LicenseClientC", on: ["LicenseClient", "CLicenseClient"]),
    program("coditect", on: ["Vocabulary", "Signing", "LicenseFormat", "LicenseClient"], products: [arguments]),
    program("bench-floor", on: [], products: [.product(name: "Hummingbird", package: "hummingbird"), logging], path: "Benchmarks/Floor"),
    program("bench-redis", on: ["KeyValueRedis", "KeyValue", "Seats", "Vocabulary"], path: "Benchmarks/Redis"),
    program("bench-boundary", on: ["PluginHost"], products: [kit], path: "Benchmarks/Boundary"),

    // The tests; LuaPeer is Debian's Lua as it is, policy-judge runs what may take its process along, seat-desk plays schedules on Seats
    c("LuaPeer", on: ["CLua"], path: "Tests/LuaPeer"),
    program("policy-judge", on: ["PolicyHost"], path: "Tests/PolicyJudge"),
    program(
        "seat-desk",
        on: [
            "Seats", "Licensing", "LicenseFormat", "Catalog", "RoomTesting", "Store", "StoreSQLite", "Signing", "HookEngine", "Vocabulary",
        ],
        path: "Tests/SeatDesk"),
    tests("VocabularyTests", on: ["Vocabulary"]),
    tests("StoreTests", on: ["Store", "StoreSQLite", "RoomTesting"]),
    tests("StorePostgresTests", on: ["Store", "StorePostgres", "RoomTesting", "Vocabulary", "Tenancy"]),
    tests("SigningTests", on: ["Signing"]),
    tests("KeyValueTests", on: ["KeyValue"]),
    tests("KeyValueRedisTests", on: ["KeyValueRedis", "KeyValue", "RedisTesting", "RedisShim", "Vocabulary"]),
    tests("HTTPEdgeTests", on: ["HTTPEdge", "KeyValue", "Signing", "Vocabulary"]),
    tests("HTTPServerTests", on: ["HTTPServer", "HTTPEdge", "KeyValue", "Telemetry", "Vocabulary"], products: [logging]),
    tests("TelemetryTests", on: ["Telemetry", "Vocabulary"], products: [logging]),
    tests("HookEngineTests", on: ["HookEngine"]),
    tests("PolicyTests", on: ["PolicyHost", "HookEngine", "LuaShim", "policy-judge", "LuaPeer"]),
    tests(
        "PluginTests", on: ["PluginHost", "PluginWire", "coditect-plugin-child", "Vocabulary"],
        products: [kit, .product(name: "PluginKitTesting", package: "sdk-testing")]),
    tests(
        "IdentityTests",
        on: [
            "Identity", "Tenancy", "RoomTesting", "Vocabulary", "Store", "HookEngine", "HTTPEdge", "Signing", "KeyValue", "CArgon2",
            "CSQLite",
        ]),
    tests("AccessTests", on: ["Access", "Identity", "Tenancy", "RoomTesting", "Vocabulary", "Store", "HookEngine", "HTTPEdge"]),
    tests("CatalogTests", on: ["Catalog", "HTTPEdge", "RoomTesting", "Store", "Vocabulary"]),
    tests("BillingTests", on: ["Billing", "Catalog", "RoomTesting", "HookEngine", "HTTPEdge", "KeyValue", "Store", "CSQLite"]),
    tests("UsageTests", on: ["Usage", "Catalog", "Tenancy", "RoomTesting", "HookEngine", "Store", "Vocabulary"]),
    tests("LicensingTests", on: ["Licensing", "LicenseFormat", "Catalog", "RoomTesting"]),
    tests(
        "SeatsTests",
        on: [
            "Seats", "Licensing", "LicenseFormat", "Catalog", "RoomTesting", "RedisTesting", "KeyValue", "KeyValueRedis", "seat-desk",
        ], products: [.product(name: "NIOCore", package: "swift-nio")]),
    tests("LicenseClientTests", on: ["LicenseClient", "LicenseFormat", "LicenseTesting", "Signing", "Vocabulary"]),
    tests("CommandLineTests", on: ["coditect", "coditectd", "LicenseClient", "LicenseFormat", "LicenseTesting", "Signing", "Vocabulary"]),
    tests(
        "ProvisioningTests",
        on: ["Provisioning", "Catalog", "Tenancy", "Store", "HookEngine", "Signing", "Vocabulary", "RoomTesting"], products: [kit]),
    tests("BackofficeTests", on: ["Backoffice", "Billing", "Catalog", "Vocabulary"], products: [kit]),
    tests("ConsoleTests", on: ["Console", "HTTPEdge", "Vocabulary"]),
    tests("WebhooksTests", on: ["Webhooks", "Store", "Vocabulary", "RoomTesting", "Signing"]),
    tests("TenantPoliciesTests", on: ["TenantPolicies", "Store", "Vocabulary", "RoomTesting", "HTTPEdge", "Signing"]),
    tests(
        "ComplianceTests", on: ["Compliance", "Tenancy", "Store", "Vocabulary", "RoomTesting", "HTTPEdge", "Signing"], products: [kit]),
    tests("NotificationsTests", on: ["Notifications", "Store", "Vocabulary", "RoomTesting", "HookEngine"]),
    tests(
        "ProjectsTests", on: ["Projects", "Tenancy", "Store", "Vocabulary", "RoomTesting", "HTTPEdge", "Signing"], products: [kit]),
    tests("SimulationTests", on: ["Simulation", "Composition", "Vocabulary"]),
    tests("ArchitectureTests", on: []),
    tests(
        "ContractTests",
        on: [
            "coditectd", "PlatformTesting", "RoomTesting", "Composition", "HTTPEdge", "Identity", "Webhooks", "Offboarding", "DataRequests",
            "Tenancy", "HookEngine",
            "Signing", "Vocabulary", "Store",
            "Telemetry",
        ]),
]

// MARK: - Assembly

let byName = Dictionary(uniqueKeysWithValues: entries.map { ($0.name, $0) })

/// The entries to build: everything, or the rooms that CODITECT_ROOMS names, their tests and what both stand on. The yardstick of `make bench`
/// stands on a library that nothing else needs: it is there where CODITECT_YARDSTICK says so.
let chosen: [Entry] = {
    guard let wanted = Context.environment["CODITECT_ROOMS"], !wanted.isEmpty else {
        return entries.filter { $0.name != "bench-floor" || Context.environment["CODITECT_YARDSTICK"] != nil }
    }
    var open = wanted.split(separator: ",").flatMap { [String($0), "\($0)Tests"] }.filter { byName[$0] != nil }
    var seen: Set<String> = []
    while let name = open.popLast() {
        guard seen.insert(name).inserted, let entry = byName[name] else { continue }
        open.append(contentsOf: entry.on)
    }
    return entries.filter { seen.contains($0.name) }
}()

func target(_ entry: Entry) -> Target {
    let dependencies = entry.on.map { Target.Dependency.target(name: $0) } + entry.products
    switch entry.kind {
    case .system:
        return .systemLibrary(name: entry.name, pkgConfig: entry.pkgConfig, providers: [.apt([entry.debian ?? ""])])
    case .c:
        return .target(
            name: entry.name, dependencies: dependencies, path: entry.path,
            cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra", "-Werror"])])
    case .swift:
        return .target(
            name: entry.name, dependencies: dependencies, exclude: entry.exclude, resources: entry.resources, swiftSettings: strict)
    case .program:
        return .executableTarget(
            name: entry.name, dependencies: dependencies, path: entry.path,
            cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra", "-Werror"])], swiftSettings: strict)
    case .test:
        return .testTarget(name: entry.name, dependencies: dependencies, resources: entry.resources, swiftSettings: modern)
    }
}

/// Only the packages that a chosen entry names, so that one room builds without fetching the rest.
let packages: [(name: String, dependency: Package.Dependency)] = [
    ("sdk", .package(path: "plugins/sdk")),
    ("sdk-testing", .package(path: "plugins/sdk-testing")),
    ("swift-log", .package(url: "https://github.com/apple/swift-log", exact: "1.16.2")),
    ("hummingbird", .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1")),
    ("swift-nio", .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2")),
    ("swift-nio-ssl", .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6")),
    ("swift-mustache", .package(url: "https://github.com/hummingbird-project/swift-mustache", exact: "2.1.1")),
    ("swift-argument-parser", .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")),
    ("async-http-client", .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0")),
    ("Yams", .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2")),
]
let named: Set<String> = Set(
    chosen.flatMap(\.products).compactMap { dependency -> String? in
        if case .productItem(_, let package, _, _) = dependency { return package }
        return nil
    })

let package = Package(
    name: "coditect",
    products: chosen.filter { $0.kind == .program }.map { .executable(name: $0.name, targets: [$0.name]) }
        + chosen.filter { $0.name == "LicenseClient" }.map { .library(name: $0.name, targets: [$0.name]) }
        + chosen.filter { $0.name == "PluginPrison" }.map { .library(name: "coditect-prison", type: .dynamic, targets: [$0.name]) }
        + chosen.filter { $0.name == "LicenseClientC" }.map { .library(name: "coditect-client", type: .dynamic, targets: [$0.name]) },
    dependencies: packages.filter { named.contains($0.name) }.map(\.dependency),
    targets: chosen.map(target)
)
