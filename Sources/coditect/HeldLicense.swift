import Foundation
import LicenseFormat
import Vocabulary

/// The licence that this device was activated under, with all that judging it without the network takes.
struct HeldLicense: Codable, Sendable {
    static let file = "license.json"
    var server: String
    var key: String
    var hardwareID: String
    var licenseID: String
    /// The signed file as last received.
    var signed: JSONValue
    /// The server's public keys as last received.
    var publicKeys: JSONValue

    static func load(_ folder: Folder) throws -> HeldLicense {
        guard let held = folder.read(HeldLicense.self, file) else {
            throw Failure(.notSetUp, "this device is not activated: run `coditect activate KEY`")
        }
        return held
    }

    /// The file, if it is authentic, for this hardware and in force now. Needs no network.
    func check(hardwareID: String, now: Timestamp) throws(LicenseFileFault) -> LicenseFile {
        guard let keys = LicensePublicKeys(document: publicKeys) else { throw .notSigned }
        guard let bytes = try? JSONEncoder().encode(signed) else { throw .malformed("it cannot be read") }
        return try LicenseFile.check([UInt8](bytes), keys: keys, hardwareID: hardwareID, now: now)
    }

    static var now: Timestamp { Timestamp(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }
}

extension LicenseFileFault {
    /// For a person.
    var sentence: String {
        switch self {
        case .malformed(let reason): "the licence file is damaged: \(reason)"
        case .otherKind(let kind): "the file is no licence but \(kind)"
        case .notSigned: "the licence file is not signed by the server's key"
        case .otherDevice: "the licence file was made for another device"
        case .clockBehind(let issuedAt): "the clock of this device stands before \(Words.moment(issuedAt.iso8601)), when the file was made"
        case .expired(let end): "the licence expired on \(Words.moment(end.iso8601))"
        case .stale(let until): "the offline grace ended on \(Words.moment(until.iso8601)): connect to the server once"
        }
    }
}
