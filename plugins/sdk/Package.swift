// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "sdk",
    products: [.library(name: "PluginKit", type: .dynamic, targets: ["PluginKit"])],
    targets: [
        .target(
            name: "PluginKit",
            swiftSettings: [
                .swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny"),
                .unsafeFlags(["-enable-library-evolution"]),
            ])
    ]
)
