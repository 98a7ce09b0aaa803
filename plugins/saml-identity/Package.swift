// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [.swiftLanguageMode(.v6), .enableUpcomingFeature("ExistentialAny")]
// A plugin is never unloaded, and every symbol it needs is found when it is built, not when it is loaded.
let linking: [LinkerSetting] = [.unsafeFlags(["-Xlinker", "-z", "-Xlinker", "nodelete", "-Xlinker", "-z", "-Xlinker", "defs"])]
// What `pkg-config --cflags xmlsec1-openssl` says on Debian 12; SwiftPM hands no definitions on from there.
let xmlsec: [CSetting] = [
    .define("XMLSEC_NO_SIZE_T"), .define("XMLSEC_NO_GOST", to: "1"), .define("XMLSEC_NO_GOST2012", to: "1"),
    .define("XMLSEC_NO_CRYPTO_DYNAMIC_LOADING", to: "1"), .define("XMLSEC_CRYPTO_OPENSSL", to: "1"),
    .define("XMLSEC_OPENSSL3_ENGINES", to: "1"),
    .unsafeFlags(["-O2", "-Wall", "-Wextra", "-Werror", "-isystem", "/usr/include/xmlsec1", "-isystem", "/usr/include/libxml2"]),
]

let package = Package(
    name: "saml-identity",
    products: [.library(name: "SAMLIdentity", type: .dynamic, targets: ["SAMLIdentity"])],
    dependencies: [.package(path: "../sdk"), .package(path: "../sdk-testing")],
    targets: [
        .target(
            name: "CSAML", cSettings: xmlsec,
            linkerSettings: ["xmlsec1-openssl", "xmlsec1", "xml2", "crypto"].map { .linkedLibrary($0) }),
        .target(
            name: "SAMLIdentity",
            dependencies: ["CSAML", .product(name: "PluginKit", package: "sdk"), .product(name: "PluginNote", package: "sdk")],
            swiftSettings: strict, linkerSettings: linking),
        .target(
            name: "CSAMLTesting", path: "Tests/CSAMLTesting", cSettings: xmlsec,
            linkerSettings: ["xmlsec1-openssl", "xmlsec1", "xml2", "crypto"].map { .linkedLibrary($0) }),
        .testTarget(
            name: "SAMLIdentityTests",
            dependencies: [
                "SAMLIdentity", "CSAML", "CSAMLTesting", .product(name: "PluginKit", package: "sdk"),
                .product(name: "PluginKitTesting", package: "sdk-testing"),
            ],
            swiftSettings: strict),
    ]
)
