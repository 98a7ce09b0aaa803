// swift-tools-version: 6.2
import PackageDescription

// For a plugin's own tests: stand-ins for what the host gives, and the conformance kits. A package of its own, because a target
// of the kit's package would link PluginKit statically, and then its types are copies that no cast recognises.
let package = Package(
    name: "sdk-testing",
    products: [.library(name: "PluginKitTesting", targets: ["PluginKitTesting"])],
    dependencies: [.package(path: "../sdk")],
    targets: [
        .target(
            name: "PluginKitTesting", dependencies: [.product(name: "PluginKit", package: "sdk")],
            swiftSettings: [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")])
    ]
)
