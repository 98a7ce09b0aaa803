import Foundation
import Testing

@Suite struct PlaceTests {
    /// They make names that nobody foretells.
    static let makers: Set<String> = ["Sources/Composition/ScratchFolder.swift", "Sources/Simulation/SimulationDesk.swift"]

    @Test("where everybody on the machine may write, nothing makes a place of its own but a scratch folder")
    func temporaryPlaces() throws {
        let sources = try House.files("Sources", endings: ["swift", "c"]) + House.files("plugins", endings: ["swift", "c"])
        let product = sources.filter { !$0.target.hasSuffix("Testing") && !$0.path.contains("/Tests/") && !$0.path.contains("Testing/") }
        #expect(product.count > 400)
        for file in product where !Self.makers.contains(file.path) {
            for sign in ["temporaryDirectory", "NSTemporaryDirectory", "\"/tmp", "\"/var/tmp", "\"/dev/shm"] {
                #expect(!file.text.contains(sign), "\(file.path) names \(sign): take a ScratchFolder")
            }
        }
        for maker in Self.makers { #expect(try House.text(maker).contains("temporaryDirectory"), "\(maker) need not be named here") }
    }
}
