import Foundation
import Testing

@testable import Composition

/// The list of the plugins that came with the server.
struct ShippedPluginTests {
    private let json = String(repeating: "a", count: 64)
    private let library = String(repeating: "b", count: 64)

    private func shipped(_ text: String, mode: Int = 0o644) throws -> ShippedPlugins {
        let file = FileManager.default.temporaryDirectory.appending(path: "shipped-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(text.utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
        return ShippedPlugins(file)
    }

    @Test("it holds manifest and library of one folder, to the byte, and nothing put together")
    func holds() throws {
        let text = "\(json)  plugins/acme/plugin.json\n\(library)  plugins/acme/libAcme.so\n"
        #expect(try shipped(text).holds("libAcme.so", json: json, library: library))
        #expect(try !shipped(text).holds("libAcme.so", json: json, library: json))
        #expect(try !shipped(text).holds("libOther.so", json: json, library: library))
        let apart = "\(json)  plugins/acme/plugin.json\n\(library)  plugins/other/libAcme.so\n"
        #expect(try !shipped(apart).holds("libAcme.so", json: json, library: library))
        #expect(try !shipped("").holds("libAcme.so", json: json, library: library))
        #expect(try !shipped("\(json) x y z\n\u{0}").holds("libAcme.so", json: json, library: library))
    }

    @Test("a list that everybody may write, or that is not there, lists nothing")
    func exposed() throws {
        let text = "\(json)  plugins/acme/plugin.json\n\(library)  plugins/acme/libAcme.so\n"
        #expect(try !shipped(text, mode: 0o666).holds("libAcme.so", json: json, library: library))
        #expect(!ShippedPlugins(URL(fileURLWithPath: "/nonexistent/list")).holds("libAcme.so", json: json, library: library))
    }
}
