// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]
// A plugin is never unloaded, and every symbol it needs is found when it is built, not when it is loaded.
let linking: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "nodelete", "-Xlinker", "-z", "-Xlinker", "defs"])]

let package = Package(
    name: "local-workstation",
    products: [.library(name: "LocalWorkstation", type: .dynamic, targets: ["LocalWorkstation"])],
    dependencies: [.package(path: "../sdk"), .package(path: "../sdk-testing")],
    targets: [
        .target(
            name: "LocalWorkstation",
            dependencies: [.product(name: "PluginKit", package: "sdk"), .product(name: "PluginNote", package: "sdk")],
            swiftSettings: strict, linkerSettings: linking),
        .testTarget(
            name: "LocalWorkstationTests",
            dependencies: [
                "LocalWorkstation", .product(name: "PluginKit", package: "sdk"), .product(name: "PluginKitTesting", package: "sdk-testing"),
            ],
            swiftSettings: strict),
    ]
)
