// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "misbehaving-plugin",
    products: [.library(name: "MisbehavingPlugin", type: .dynamic, targets: ["MisbehavingPlugin"])],
    dependencies: [.package(path: "../../../plugins/sdk")],
    targets: [
        .target(
            name: "MisbehavingPlugin",
            dependencies: [.product(name: "PluginKit", package: "sdk"), .product(name: "PluginNote", package: "sdk")],
            swiftSettings: [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")],
            linkerSettings: [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "nodelete", "-Xlinker", "-z", "-Xlinker", "defs"])])
    ]
)
