import Foundation
import Vocabulary

/// The package of a new plugin, made out of the kit's template anywhere on the machine.
package struct PluginScaffold: Sendable {
    /// What can be begun; each has a template.
    package static let kinds = ["payment"]
    /// Holds `sdk`, `sdk-testing` and `template`.
    private let kit: URL

    /// - Parameter kit: given, or found: `kit` beside the program, as in a release; else `plugins` of the source tree that the program was built in.
    package init(kit given: String?) throws {
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        let beside = URL(fileURLWithPath: program).deletingLastPathComponent()
        var places = given.map { [URL(fileURLWithPath: $0)] } ?? [beside.appendingPathComponent("kit")]
        if given == nil {
            // .build/x86_64-unknown-linux-gnu/debug/coditectd, four steps below the tree at most.
            var up = beside
            for _ in 0..<4 {
                up = up.deletingLastPathComponent()
                places.append(up.appendingPathComponent("plugins"))
            }
        }
        let found = places.first { place in
            ["sdk/Package.swift", "sdk-testing/Package.swift", "template/plugin.json"].allSatisfy {
                FileManager.default.fileExists(atPath: place.appendingPathComponent($0).path)
            }
        }
        guard let found else {
            throw OperatorProblem(
                "the plugin kit is not in \(places.map(\.path).joined(separator: ", nor in ")): give --kit with the folder that holds sdk, "
                    + "sdk-testing and template")
        }
        kit = found.standardizedFileURL
    }

    /// Writes the package and gives what was written. `name` becomes the plugin's id.
    package func make(_ kind: String, _ name: String, into folder: String?) throws -> [String] {
        guard Self.kinds.contains(kind) else {
            throw OperatorProblem("there is no template for the kind '\(kind)': one of \(Self.kinds.joined(separator: ", "))")
        }
        let words = name.split(separator: "-", omittingEmptySubsequences: false)
        guard (2...30).contains(name.utf8.count), name.first?.isLetter == true,
            words.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) } })
        else { throw OperatorProblem("'\(name)' is no id: 2 to 30 lower-case letters, digits and hyphens, a letter first, like acme") }
        guard !["template", "sandbox", "stripe", "bank-invoice"].contains(name) else {
            throw OperatorProblem("'\(name)' is the id of another plugin")
        }
        let place = URL(fileURLWithPath: folder ?? "\(name)-payments")
        guard !FileManager.default.fileExists(atPath: place.path) else { throw OperatorProblem("\(place.path) exists") }
        let type = words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        let upper = name.uppercased().replacing("-", with: "_")
        let renamed = { (text: String) in
            text.replacing("Template", with: type).replacing("TEMPLATE", with: upper).replacing("template", with: name)
        }
        let template = kit.appendingPathComponent("template")
        let files = try FileManager.default.subpathsOfDirectory(atPath: template.path).sorted().filter { path in
            path == "Package.swift" || path == "plugin.json"
                || (path.hasPrefix("Sources/") || path.hasPrefix("Tests/")) && path.hasSuffix(".swift")
        }
        var written: [String] = []
        func write(_ path: String, _ text: String) throws {
            let file = place.appendingPathComponent(path)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
            written.append(file.path)
        }
        for path in files {
            var text = renamed(try String(contentsOf: template.appendingPathComponent(path), encoding: .utf8))
            // The kit stays where it is.
            if path == "Package.swift" { text = text.replacing("\"../sdk", with: "\"\(kit.path)/sdk") }
            try write(renamed(path), text)
        }
        try write(".gitignore", ".build\ndist\n")
        try write("Makefile", Self.makefile(type, name))
        try write("README.md", Self.readme(type, name, upper, kit.path))
        return written
    }

    private static func makefile(_ type: String, _ id: String) -> String {
        """
        # Builds the plugin as the server wants it: dist/\(id)/{plugin.json, lib\(type)Payments.so}.
        plugin:
        \tswift build -c release --product \(type)Payments
        \tmkdir -p dist/\(id)
        \tcp plugin.json .build/release/lib\(type)Payments.so dist/\(id)/

        test:
        \tswift test --disable-xctest

        .PHONY: plugin test

        """
    }

    private static func readme(_ type: String, _ id: String, _ upper: String, _ kit: String) -> String {
        """
        # \(type) payments

        A payment plugin: id `\(id)`, webhook `/webhooks/\(id)`. It builds and passes the public conformance kits as it is; what differs at your
        provider is in `Sources/\(type)Payments/\(type)Payments.swift`.

        ```
        make test      # the kits: forged, stale and repeated webhooks, lost answers, limits, idempotency keys
        make plugin    # dist/\(id)/
        ```

        The kit is read from `\(kit)`; on another machine, change the two paths in `Package.swift`. Use the server's Swift compiler.

        1. `plugin.json`: your provider's hosts, the secrets and settings that you need.
        2. `startCheckout`, `openPortal` and the calls in `capabilities`: your provider's requests.
        3. `verify`: its signature. `WebhookSignature` of the kit fits where it signs `t=…,v1=…`.
        4. `interpret`: its objects, as facts.
        5. `Tests`: a life out of its documentation, and a small world that answers as it does.

        Try it, put it in, look:

        ```
        export \(upper)_SECRET_KEY=… \(upper)_WEBHOOK_SECRET=…     # or \(upper)_SECRET_KEY_FILE=/path
        coditectd plugin check dist/\(id)
        cp -r dist/\(id) PLUGINS_FOLDER/
        coditectd plugin list
        ```

        A later version goes beside the old one first: copy it to `PLUGINS_FOLDER/\(id).next`, then `coditectd plugin upgrade \(id) --share 10`.

        """
    }
}
