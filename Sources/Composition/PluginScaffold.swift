import Foundation
import Vocabulary

/// The package of a new plugin, made anywhere on the machine out of the kit's template for its kind.
package struct PluginScaffold: Sendable {
    /// Holds `sdk`, `sdk-testing` and `template`, which has a folder for each kind.
    private let kit: URL

    /// - Parameter kit: given, or found: `kit` beside the program or beside its folder, as in a release; else `plugins` of the source tree
    ///   that the program was built in.
    package init(kit given: String?) throws {
        let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        let beside = URL(fileURLWithPath: program).deletingLastPathComponent()
        var places = given.map { [URL(fileURLWithPath: $0)] } ?? [beside.appendingPathComponent("kit")]
        if given == nil {
            // .build/x86_64-unknown-linux-gnu/debug/coditectd, four steps below the tree at most.
            var up = beside
            for step in 0..<4 {
                up = up.deletingLastPathComponent()
                if step == 0 { places.append(up.appendingPathComponent("kit")) }
                places.append(up.appendingPathComponent("plugins"))
            }
        }
        let found = places.first { place in
            ["sdk/Package.swift", "sdk-testing/Package.swift", "template"].allSatisfy {
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

    /// What can be begun: every folder of the template that has a plugin.json.
    package var kinds: [String] {
        Self.plugins(in: kit.appendingPathComponent("template")).map(\.lastPathComponent)
    }

    /// Writes the package and gives its folder and what was written. `name` becomes the plugin's id.
    package func make(_ kind: String, _ name: String, into folder: String?) throws -> (place: String, files: [String]) {
        guard kinds.contains(kind) else {
            throw OperatorProblem(
                "there is no template for the kind '\(kind)': one of \(kinds.joined(separator: ", ")), as in coditectd plugin new payment acme"
            )
        }
        let words = name.split(separator: "-", omittingEmptySubsequences: false)
        guard (2...30).contains(name.utf8.count), name.first?.isLetter == true,
            words.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) } })
        else { throw OperatorProblem("'\(name)' is no id: 2 to 30 lower-case letters, digits and hyphens, a letter first, like acme") }
        guard !taken.contains(name) else { throw OperatorProblem("'\(name)' is the id of another plugin") }
        let template = kit.appendingPathComponent("template").appendingPathComponent(kind)
        let names = try TemplateNames(template, name: name, words: words)
        let place = URL(fileURLWithPath: folder ?? names.folder).standardizedFileURL
        guard !FileManager.default.fileExists(atPath: place.path) else { throw OperatorProblem("\(place.path) exists") }
        let files = try FileManager.default.subpathsOfDirectory(atPath: template.path).sorted().filter { path in
            ["Package.swift", "README.md", "plugin.json"].contains(path)
                || (path.hasPrefix("Sources/") || path.hasPrefix("Tests/")) && path.hasSuffix(".swift")
        }
        var written: [String] = []
        func write(_ path: String, _ text: String) throws {
            let file = place.appendingPathComponent(path)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(text.utf8).write(to: file)
            written.append(file.path)
        }
        // The kit stays where it is; a package beside it goes with it.
        let kitPath = place.deletingLastPathComponent().path == kit.path ? ".." : kit.path
        let quoted = kitPath.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        for path in files {
            var text = names.renamed(try String(contentsOf: template.appendingPathComponent(path), encoding: .utf8))
            if path == "Package.swift" { text = text.replacing("\"../../sdk", with: "\"\(quoted)/sdk") }
            if path == "README.md" { text = text.replacing("KIT_FOLDER", with: kitPath) }
            try write(names.renamed(path), text)
        }
        try write(".gitignore", ".build\ndist\n")
        try write("Makefile", names.makefile)
        return (place.path, written)
    }

    /// Ids of the plugins that stand with the kit, in the source tree or in a release.
    private var taken: Set<String> {
        let places = [kit, kit.deletingLastPathComponent().appendingPathComponent("plugins")]
        return Set(places.flatMap(Self.plugins).compactMap { try? TemplateNames.member("id", of: $0) }).union(["template"])
    }

    private static func plugins(in folder: URL) -> [URL] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted().map { folder.appendingPathComponent($0) }
            .filter { FileManager.default.fileExists(atPath: $0.appendingPathComponent("plugin.json").path) }
    }
}

/// What a template's words become in the new package.
private struct TemplateNames {
    private let id: String
    private let type: String
    private let library: String
    /// As Package.swift names the package.
    let folder: String

    init(_ template: URL, name: String, words: [Substring]) throws {
        id = name
        type = words.map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
        let swap = Self.swap(id, type)
        library = swap(try Self.member("library", of: template))
        let manifest = try String(contentsOf: template.appendingPathComponent("Package.swift"), encoding: .utf8)
        guard library.hasPrefix("lib"), library.hasSuffix(".so"), let package = manifest.firstMatch(of: /name: "(template[a-z-]*)"/)?.1
        else {
            throw OperatorProblem("the template \(template.path) names no library lib….so, or no package template…: the kit is damaged")
        }
        folder = swap(String(package))
    }

    func renamed(_ text: String) -> String { Self.swap(id, type)(text) }

    private static func swap(_ id: String, _ type: String) -> (String) -> String {
        let upper = id.uppercased().replacing("-", with: "_")
        // A framework's id takes no dash.
        let lower = id.replacing("-", with: "_")
        return {
            $0.replacing("Template", with: type).replacing("TEMPLATE", with: upper).replacing("template_", with: "\(lower)_")
                .replacing("template", with: id)
        }
    }

    static func member(_ name: String, of plugin: URL) throws -> String {
        let text = try Data(contentsOf: plugin.appendingPathComponent("plugin.json"))
        guard let value = (try? JSONSerialization.jsonObject(with: text)).flatMap({ $0 as? [String: Any] })?[name] as? String else {
            throw OperatorProblem("\(plugin.path)/plugin.json names no \(name): the kit is damaged")
        }
        return value
    }

    var makefile: String {
        let product = String(library.dropFirst(3).dropLast(3))
        return """
            # Builds the plugin as the server wants it: dist/\(id)/{plugin.json, \(library)}.
            plugin: kit
            \tswift build -c release --product \(product)
            \tmkdir -p dist/\(id)
            \tcp plugin.json .build/release/\(library) dist/\(id)/

            test: kit
            \tswift test --disable-xctest

            # SwiftPM does not say which path is wrong.
            kit:
            \t@grep -o 'path: "[^"]*"' Package.swift | cut -d '"' -f 2 | while read -r path; do test -f "$$path/Package.swift" || { \
            \t    echo "The plugin kit is not in $$path: let both paths in Package.swift name the folder that holds sdk and sdk-testing." >&2; exit 1; }; done

            .PHONY: plugin test kit

            """
    }
}
