// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]

let package = Package(
    name: "sdk",
    products: [
        // One copy per process: host and plugins share its types, so it is dynamic and never anything else.
        .library(name: "PluginKit", type: .dynamic, targets: ["PluginKit"]),
        // Linked into every plugin: the ELF note that the host reads before it loads the library.
        .library(name: "PluginNote", targets: ["PluginNote"]),
    ],
    targets: [
        // The compiler warns at each import that Foundation itself has no library evolution; the note's check for one and the same
        // compiler, hence one Foundation, answers that, and the warning cannot be silenced by itself.
        .target(name: "PluginKit", swiftSettings: strict + [.unsafeFlags(["-enable-library-evolution", "-suppress-warnings"])]),
        .target(name: "PluginNote", swiftSettings: strict),
        .testTarget(name: "PluginKitTests", dependencies: ["PluginKit"], swiftSettings: strict),
    ]
)
