import Foundation
import HTTPEdge
import Vocabulary

/// Somebody with an account, or on the way to one.
struct Inhabitant: Sendable {
    let email: String
    var token: String?
    var refresh: String?
    var tokenUntil = Timestamp(microseconds: 0)
    /// When this person's place here ends, or ended; nil: with the tenant.
    var belongsUntil: Timestamp?
    /// When the platform said that it erases this person.
    var erasedAt: Timestamp?
    static let password = "maple-otter-lantern-42"
    /// Well within the day for which a token is good.
    static let tokenLasts = Duration.hours(20)

    var belongsForGood: Bool { belongsUntil == nil }

    mutating func signOut() { (token, refresh) = (nil, nil) }

    /// Nobody else's: fourteen letters by the address (FNV-1a), so that they can be looked for.
    var surname: String {
        var hash = email.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        var letters = ""
        for _ in 0..<7 {
            letters.append(Array("bdfgklmnprstvwzh")[Int(hash & 15)])
            letters.append(Array("aeio")[Int(hash >> 4 & 3)])
            hash >>= 8
        }
        return letters.capitalized
    }
}

/// A tenant as its people and the script know it.
struct Household: Sendable {
    let name: String
    /// Empty: nobody here signs in.
    let owner: String
    var people: [String: Inhabitant] = [:]
    var tenant: TenantID?
    /// Of the licences that were paid for, by their ids.
    var keys: [String: String] = [:]
    var sessions: [String: String] = [:]
    /// What was seen last, so that only changes are told.
    var lastSeen: String?

    init(name: String, owner: String) {
        self.name = name
        self.owner = owner
        if !owner.isEmpty { people[owner] = Inhabitant(email: owner) }
    }
}

/// What came back over the edge.
struct Answer: Sendable {
    let status: Int
    let json: JSONValue
    /// `200`, or the status with the problem's code.
    var told: String { (200...299).contains(status) ? "\(status)" : "\(status) \(json["error"]?.string ?? "")" }
    var isGood: Bool { (200...299).contains(status) }
    /// The caller may try again later, with the same key.
    var isPassing: Bool { status == 502 || status == 503 || status == 504 }
}

/// What a request over the edge needs.
struct Ask: Sendable {
    var method: String
    var path: String
    var body: JSONValue?
    var token: String?
    var key: String?
    var raw: Data?
    var headers: [String: String] = [:]

    init(_ method: String, _ path: String, _ body: JSONValue? = nil, token: String? = nil, key: String? = nil) {
        (self.method, self.path, self.body, self.token, self.key) = (method, path, body, token, key)
    }

    func request() -> RawRequest {
        var fields = HeaderFields(headers.merging(["host": "127.0.0.1"]) { given, _ in given })
        if body != nil { fields.append("content-type", "application/json") }
        if let token { fields.append("authorization", "Bearer \(token)") }
        if let key { fields.append("idempotency-key", key) }
        return RawRequest(
            method: method, target: path, headers: fields, body: raw ?? body.map { JSONWriter.data($0) } ?? Data(),
            remoteAddress: "127.0.0.1", isTLS: false)
    }
}

/// The one form in which timelines are written.
enum TimelineJSON {
    static func object(_ members: [(String, JSONValue)]) -> String {
        let parts = members.map { name, value in
            text(.string(name)) + ":" + text(value)
        }
        return "{" + parts.joined(separator: ",") + "}"
    }
    private static func text(_ value: JSONValue) -> String { String(decoding: JSONWriter.data(value), as: UTF8.self) }
}
