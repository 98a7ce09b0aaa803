import ArgumentParser
import Foundation
import LicenseFormat
import Signing
import Vocabulary

/// What the platform has signed, checked without it: by the public keys alone.
struct VerifyGroup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check what was signed when your organisation left, without the network.",
        discussion: """
            KEYS is the platform's /.well-known/coditect/license-keys.json, saved while there was an account, or one key in PEM. Ends with 0 if \
            all of it is as it was signed, with 65 if anything is not.
            """,
        subcommands: [Deletion.self, Export.self])

    struct Deletion: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a certificate of deletion: who was deleted, when, step by step, and what remains.",
            discussion: "FILE is what the mailed link saves, or the certificate in it alone.")
        @Argument(help: "The certificate.", completion: .file(extensions: ["json"])) var file: String
        @OptionGroup var proof: ProofOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try output.reporting {
                let certificate = try CheckedCertificate(
                    Bounded.read(file, most: CheckedCertificate.mostBytes), of: file, keys: try proof.keys())
                output.say(certificate.lines.joined(separator: "\n"), certificate.json)
            }
        }
    }

    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check an export: its manifest by its signature, and every file in it by the manifest.")
        @Argument(help: "The archive.", completion: .file(extensions: ["zip"])) var file: String
        @OptionGroup var proof: ProofOptions
        @OptionGroup var output: OutputOptions

        func run() throws {
            try output.reporting {
                let checked = try CheckedExport(archive: file, keys: try proof.keys())
                output.say(checked.lines.joined(separator: "\n"), checked.json)
            }
        }
    }
}

struct ProofOptions: ParsableArguments {
    @Option(
        name: .customLong("keys"),
        help: ArgumentHelp("The platform's public keys: license-keys.json, or one key in PEM.", valueName: "keys"),
        completion: .file(extensions: ["json", "pem"]))
    var path: String

    func keys() throws -> LicensePublicKeys {
        let text = String(validating: try Bounded.read(path, most: 1_048_576), as: UTF8.self)
        guard let text, let keys = LicensePublicKeys(text: text, purposes: [.journal]) else {
            throw Failure(
                .usage, "usage", "\(path) holds no key that certificates and exports are signed with",
                next: "save /.well-known/coditect/license-keys.json of the platform")
        }
        return keys
    }
}

/// Files of others, as far as they may be read at once.
enum Bounded {
    static func read(_ path: String, most: Int) throws -> Data {
        guard let file = FileHandle(forReadingAtPath: path) else { throw Failure(.usage, "usage", "\(path) cannot be read") }
        defer { try? file.close() }
        do {
            let data = try file.read(upToCount: most + 1) ?? Data()
            guard data.count <= most else {
                throw Failure(.damaged, "file_damaged", "\(path) is longer than \(most) bytes: it is none of ours")
            }
            return data
        } catch let failure as Failure { throw failure } catch { throw Failure(.usage, "usage", "\(path) cannot be read") }
    }
}

/// Whose signature holds over what.
struct Proof {
    let keyID: String

    /// Throws unless `document`, as a text of this kind, was signed with one of the keys.
    init(_ kind: TypedMessage.Kind, _ document: [UInt8], _ said: JSONValue, _ keys: LicensePublicKeys, file: String) throws {
        guard let keyID = said["key_id"]?.string, let signature = said["signature"]?.string.flatMap(Base64URL.decode) else {
            throw Failure(.damaged, "file_damaged", "\(file) names no key and no signature")
        }
        guard keys.knows(keyID) else {
            throw Failure(
                .damaged, "unknown_key",
                "\(file) is signed with the key \(keyID.prefix(100).debugDescription), which is not among the keys given",
                next: "give the keys of the platform that made it, saved no earlier than it")
        }
        let mark = SignedLicenseFile.Mark(keyID: keyID, algorithm: KeyAlgorithm.ed25519.rawValue, bytes: signature)
        guard keys.verify(TypedMessage(kind, document).bytes, mark) else {
            throw Failure(
                .damaged, "not_authentic", "\(file) is not what was signed with the key \(keyID)", next: "fetch it again; it was changed")
        }
        self.keyID = keyID
    }
}

/// A certificate of deletion whose signature holds.
struct CheckedCertificate {
    static let mostBytes = 8 * 1_048_576
    private let document: JSONValue
    private let keyID: String

    /// - Parameter data: what the platform answers to the mailed link, or the certificate in it.
    init(_ data: Data, of file: String, keys: LicensePublicKeys) throws {
        func damaged(_ why: String) -> Failure { Failure(.damaged, "file_damaged", "\(file) \(why)") }
        guard let read = try? StrictJSON.parse([UInt8](data), maxBytes: Self.mostBytes) else { throw damaged("is no JSON") }
        let said = read["certificate"]?.object.map(JSONValue.object) ?? read
        guard let text = said["certificate"]?.string else { throw damaged("holds no certificate") }
        keyID = try Proof(.deletionCertificate, Array(text.utf8), said, keys, file: file).keyID
        guard let document = try? StrictJSON.parse(Array(text.utf8), maxBytes: Self.mostBytes),
            document["kind"]?.string == "coditect.deletion_certificate", document["version"]?.int == 1
        else { throw damaged("is a certificate of a kind that this program does not know") }
        let open = (document["steps"]?.array ?? []).filter { $0["done_at"]?.string == nil }.compactMap { $0["step"]?.string }
        guard open.isEmpty, document["steps"]?.array?.isEmpty == false else {
            throw damaged("certifies steps that were not done: \(open.joined(separator: ", "))")
        }
        self.document = document
    }

    var json: JSONValue { ["intact": true, "key_id": .string(keyID), "certificate": document] }

    var lines: [String] {
        func moment(_ name: String, _ of: JSONValue) -> String { of[name]?.string.map(Words.moment) ?? "without end" }
        let steps = document["steps"]?.array ?? []
        return [
            "intact    organisation \(document["tenant_id"]?.string ?? "")", "signed    with \(keyID)",
            "left      \(moment("left_at", document))", "deleted   \(moment("purged_at", document)), in \(steps.count) steps",
        ]
            + (document["remains"]?.array ?? []).map {
                "remains   \($0["what"]?.string ?? ""): \($0["why"]?.string ?? ""); until \(moment("until", $0))"
            }
    }
}
