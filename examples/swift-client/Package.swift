// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "render",
    dependencies: [.package(name: "coditect", path: "../..")],
    targets: [
        .executableTarget(name: "render", dependencies: [.product(name: "LicenseClient", package: "coditect")])
    ]
)
