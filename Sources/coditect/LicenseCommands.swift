import ArgumentParser
import Foundation
import LicenseFormat
import Vocabulary

struct Activate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Bind a licence to this device.")
    @Argument(help: "The licence key.") var key: String
    @OptionGroup var options: ServerOptions
    @OptionGroup var deviceOptions: DeviceOptions

    func run() throws {
        try reporting {
            let folder = Folder.standard()
            // Found here already, without asking anybody.
            guard (try? LicenseKey.canonical(key)) != nil else {
                throw Failure(.usage, "this is not a licence key: a sign is wrong, missing or swapped; compare it with your licence page")
            }
            let platform = try Platform(server(options.server, folder))
            let hardwareID = try Device.hardwareID(named: deviceOptions.device, folder: folder)
            let (answer, keys) = try reaching(platform) {
                (
                    try platform.post(
                        "/api/v1/licenses/activate",
                        [
                            "license_key": .string(key), "hardware_id": .string(hardwareID),
                            "machine_name": .string(String(Device.hostname.prefix(128))),
                        ]), try platform.get("/.well-known/coditect/license-keys.json")
                )
            }
            guard answer.isSuccess else { throw Failure(answer.status == 429 ? .later : .refused, Self.sentence(answer)) }
            guard let file = answer.json["file"], let license = answer.json["license"], let id = license["id"]?.string else {
                throw Failure(.refused, "the server's answer has no licence file")
            }
            let held = HeldLicense(
                server: platform.name, key: key, hardwareID: hardwareID, licenseID: id, signed: file, publicKeys: keys.json)
            do throws(LicenseFileFault) { _ = try held.check(hardwareID: hardwareID, now: HeldLicense.now) } catch {
                throw Failure(.refused, "the server sent a file that does not hold: \(error.sentence)")
            }
            try folder.locked("license") { try folder.write(held, HeldLicense.file) }
            Console.say("Activated on this device: \(Report(license: license).oneLine).")
        }
    }

    private static func sentence(_ answer: Answer) -> String {
        guard answer.code == "activation_limit_reached", let used = answer.json["activations"]?.int,
            let most = answer.json["max_activations"]?.int
        else { return answer.sentence }
        return "the licence is active on \(used) of \(most) devices: run `coditect deactivate` on one of them, or raise the tier"
    }
}

struct Deactivate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Take the licence off this device, so that another can have its place.")

    func run() throws {
        try reporting {
            let folder = Folder.standard()
            let held = try HeldLicense.load(folder)
            let platform = try Platform(held.server)
            let answer = try reaching(platform) {
                try platform.post(
                    "/api/v1/licenses/deactivate", ["license_key": .string(held.key), "hardware_id": .string(held.hardwareID)])
            }
            guard answer.isSuccess || answer.code == "not_activated" else {
                throw Failure(answer.status == 429 ? .later : .refused, answer.sentence)
            }
            try folder.locked("license") { folder.remove(HeldLicense.file) }
            Console.say("The licence is no longer active on this device.")
        }
    }
}

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What the licence of this device is worth; judged from the signed file when the server is away.")
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        try reporting {
            let folder = Folder.standard()
            let held = try HeldLicense.load(folder)
            let report: Report
            do {
                report = try Self.ask(held, folder)
            } catch let error as Platform.Unreachable {
                report = Report(offline: held, reason: error.reason, now: HeldLicense.now)
            }
            Console.say(json ? report.text : report.lines.joined(separator: "\n"))
            if !report.isValid { throw ExitCode(Failure.Code.refused.rawValue) }
        }
    }

    private static func ask(_ held: HeldLicense, _ folder: Folder) throws -> Report {
        let platform = try Platform(held.server)
        let answer = try platform.post(
            "/api/v1/licenses/validate", ["license_key": .string(held.key), "hardware_id": .string(held.hardwareID)])
        guard answer.isSuccess else {
            // A server in trouble is as good as none.
            if answer.status >= 500 { throw Platform.Unreachable(reason: answer.sentence) }
            throw Failure(answer.status == 429 ? .later : .refused, answer.sentence)
        }
        if let file = answer.json["file"], !file.isNull {
            var fresh = held
            fresh.signed = file
            if let keys = try? platform.get("/.well-known/coditect/license-keys.json"), keys.isSuccess { fresh.publicKeys = keys.json }
            try folder.locked("license") {
                // Deactivated or activated anew meanwhile: then this answer is no longer its own.
                guard folder.read(HeldLicense.self, HeldLicense.file)?.key == held.key else { return }
                try folder.write(fresh, HeldLicense.file)
            }
        }
        return Report(validation: answer.json, server: held.server)
    }
}
