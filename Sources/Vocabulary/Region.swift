/// Where a tenant's data stays.
package enum Region: String, Sendable, Hashable, CaseIterable, Codable { case us, eu, apac }

/// The end of a secret that says in which region it opens something: `….eu`. It names a place and nobody; what it opens is asked there.
package struct RegionMark: Sendable, Hashable {
    /// Nil where one region is alone: its secrets say nothing.
    package let home: Region?
    package static let none = RegionMark(nil)
    package init(_ home: Region?) { self.home = home }

    /// A secret of the home region, as its holder gets it.
    package func marked(_ secret: String) -> String { home.map { "\(secret).\($0.rawValue)" } ?? secret }
    /// A secret as it was before it was marked here. Every other text stays as it is: also one from before there were regions.
    package func bare(_ text: String) -> String {
        guard let home, text.hasSuffix(".\(home.rawValue)") else { return text }
        return String(text.dropLast(home.rawValue.utf8.count + 1))
    }
    /// Where a marked secret says that it belongs.
    package static func region(of text: String) -> Region? {
        guard let dot = text.lastIndex(of: ".") else { return nil }
        return Region(rawValue: String(text[text.index(after: dot)...]))
    }
}

/// What regions refuse. No single room owns it: the edge passes on, and the room of tenants claims.
package enum RegionProblems {
    package static let unavailable = Problem(
        "region_unavailable", status: 503, title: "The region that keeps this cannot be reached from here.",
        hint: "Nothing was done. Try again shortly, or ask the region itself at region_url.", fields: ["region": "eu", "region_url": ""])
    package static let unanswered = Problem(
        "region_unanswered", status: 504, title: "The region that keeps this did not answer in time.",
        hint: "Whether it was done is not known: ask for its state, or repeat it with the same Idempotency-Key.",
        fields: ["region": "eu", "region_url": ""])
    package static let tooLong = Problem(
        "region_answer_too_long", status: 502, title: "The answer is longer than one region passes on for another.",
        hint: "Ask the region itself at region_url.", fields: ["region": "eu", "region_url": ""])
    package static let mismatch = Problem(
        "region_mismatch", status: 421, title: "Two regions disagree about where this belongs.",
        hint: "Ask the region itself, or report the request_id: a request is passed on once.")
    package static let relayRefused = Problem(
        "relay_refused", status: 403, title: "This was not passed on by a region of this platform.",
        hint: "Clients send no Coditect-Relay header; operators compare regions.relay_key_files and the clocks.")
    package static let directoryUnavailable = Problem(
        "directory_unavailable", status: 503, title: "Where this belongs cannot be looked up right now.",
        hint: "Try again shortly. Everybody who is signed in goes on working.")
    package static let all = [unavailable, unanswered, tooLong, mismatch, relayRefused, directoryUnavailable]
}
