// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]
// A plugin is never unloaded, and every symbol it needs is found when it is built, not when it is loaded.
let linking: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "nodelete", "-Xlinker", "-z", "-Xlinker", "defs"])]

let package = Package(
    name: "template-mail",
    products: [.library(name: "TemplateMail", type: .dynamic, targets: ["TemplateMail"])],
    dependencies: [.package(path: "../../sdk"), .package(path: "../../sdk-testing")],
    targets: [
        .target(
            name: "TemplateMail",
            dependencies: [.product(name: "PluginKit", package: "sdk"), .product(name: "PluginNote", package: "sdk")],
            swiftSettings: strict, linkerSettings: linking),
        .testTarget(
            name: "TemplateMailTests",
            dependencies: [
                "TemplateMail", .product(name: "PluginKit", package: "sdk"), .product(name: "PluginKitTesting", package: "sdk-testing"),
            ],
            swiftSettings: strict),
    ]
)
