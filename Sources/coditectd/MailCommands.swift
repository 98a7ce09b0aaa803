import ArgumentParser
import Composition
import Foundation

struct MailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mail", abstract: "Mails: what they say and how they look.", subcommands: [Check.self, Preview.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Check the templates in the folder mail beside the policies.")
        @OptionGroup var places: Places
        func run() async throws {
            let desk = MailDesk(try await places.options())
            let faults = desk.faults()
            for fault in faults { warn(fault) }
            if !faults.isEmpty { throw Exit.data }
            say("the templates in \(desk.folder.path) are fine")
        }
    }

    struct Preview: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write mails with pretended values to files: NAME.html and NAME.txt. Without names all of them.")
        @OptionGroup var places: Places
        @Argument(help: "Templates, like verify_email.") var templates: [String] = []
        @Option(help: "The folder for the files.") var output: String
        @Option(help: "As a tenant of this name.") var name: String?
        @Option(help: "In a tenant's colour, #rrggbb.") var accent: String?
        @Option(help: "With a tenant's footer.") var footer = ""
        func run() async throws {
            let desk = MailDesk(try await places.options())
            let folder = URL(fileURLWithPath: output)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            for template in templates.isEmpty ? desk.names : templates {
                guard let sample = desk.sample(template, name: name, accent: accent, footer: footer) else {
                    warn("\(template): no template of this name, or a name, colour or footer that no tenant may have")
                    throw Exit.data
                }
                try OwnFile.write(Data(sample.html.utf8), to: folder.appendingPathComponent("\(template).html"), mode: 0o644)
                let text = "Subject: \(sample.subject)\n\n\(sample.text)"
                try OwnFile.write(Data(text.utf8), to: folder.appendingPathComponent("\(template).txt"), mode: 0o644)
            }
            for fault in desk.faults() { warn(fault) }
            say("wrote \(templates.isEmpty ? desk.names.count : templates.count) mails to \(folder.path)")
        }
    }
}
