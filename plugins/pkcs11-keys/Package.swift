// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]
// A plugin is never unloaded, and every symbol it needs is found when it is built, not when it is loaded.
let linking: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "nodelete", "-Xlinker", "-z", "-Xlinker", "defs"])]

let package = Package(
    name: "pkcs11-keys",
    products: [.library(name: "Pkcs11Keys", type: .dynamic, targets: ["Pkcs11Keys"])],
    dependencies: [.package(path: "../sdk"), .package(path: "../sdk-testing")],
    targets: [
        .target(name: "CPkcs11", cSettings: [.unsafeFlags(["-O2", "-Wall", "-Wextra", "-Werror"])]),
        .target(
            name: "Pkcs11Keys",
            dependencies: ["CPkcs11", .product(name: "PluginKit", package: "sdk"), .product(name: "PluginNote", package: "sdk")],
            swiftSettings: strict, linkerSettings: linking),
        .testTarget(
            name: "Pkcs11KeysTests",
            dependencies: [
                "Pkcs11Keys", .product(name: "PluginKit", package: "sdk"), .product(name: "PluginKitTesting", package: "sdk-testing"),
            ],
            swiftSettings: strict),
    ]
)
