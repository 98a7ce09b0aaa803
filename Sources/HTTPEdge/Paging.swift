import Signing
import Vocabulary

/// The keys that the edge derives from the one secret it is given; the same on every process.
struct EdgeKeys: Sendable {
    let csrf: CSRF
    private let cursorKey: [UInt8]
    private let limitKey: [UInt8]

    /// Of calls made by hand in tests; an `Edge` never uses it.
    static let unshared = EdgeKeys(secret: Array("unshared".utf8), entropy: SystemEntropy())

    init(secret: [UInt8], entropy: any Entropy) {
        let derived = { (info: String) in HKDF.sha256(secret: secret, salt: [], info: Array(info.utf8), count: 32) }
        csrf = CSRF(key: derived("edge.csrf"), entropy: entropy)
        cursorKey = derived("edge.cursor")
        limitKey = derived("edge.limit")
    }

    /// Short, and telling nothing of a licence key to who reads the limits' keys.
    func limitKey(for text: [UInt8]) -> String { Base64URL.encode(Array(HMAC.sha256(text, key: limitKey).prefix(12))) }

    func seal(_ position: String, scope: String) -> String {
        let text = Array(position.utf8)
        return Base64URL.encode(Array(code(text, scope)) + text)
    }
    func open(_ cursor: String, scope: String) -> String? {
        guard cursor.utf8.count <= 1_024, let raw = Base64URL.decode(cursor), raw.count > 16 else { return nil }
        let text = Array(raw[16...])
        guard ConstantTime.equal(Array(raw[..<16]), Array(code(text, scope))) else { return nil }
        return String(validating: text, as: UTF8.self)
    }
    private func code(_ text: [UInt8], _ scope: String) -> ArraySlice<UInt8> {
        HMAC.sha256(Array(scope.utf8) + [0] + text, key: cursorKey).prefix(16)
    }
}

/// Which page of a list a caller wants.
package struct ListRequest: Sendable, Hashable {
    /// 1 … 100, 20 where not said.
    package let limit: Int
    /// Where the page before ended: what the handler gave to `Page.next`. Nil: the first page.
    package let after: String?
    package init(limit: Int, after: String?) {
        self.limit = limit
        self.after = after
    }
}

/// One page of a list.
package struct Page<Item: Sendable>: Sendable {
    package let items: [Item]
    /// Where the next page begins, in the handler's own words; nil on the last page.
    package let next: String?
    package init(_ items: [Item], next: String?) {
        self.items = items
        self.next = next
    }
    /// From up to `limit + 1` items read: one more than asked for means that there is a next page.
    package init(reading items: [Item], limit: Int, position: (Item) -> String) {
        self.items = Array(items.prefix(limit))
        next = items.count > limit ? self.items.last.map(position) : nil
    }
}

extension Call {
    /// The wanted page; a route that pages declares `query: QueryField.paging`. A cursor of another route, tenant or caller is 422.
    package func page() throws(Problem) -> ListRequest {
        let limit = query["limit"].flatMap { Int($0) } ?? 20
        guard (1...100).contains(limit) else { throw CommonProblems.invalid("limit", "must be a whole number from 1 to 100") }
        guard let cursor = query["cursor"] else { return ListRequest(limit: limit, after: nil) }
        guard let after = keys.open(cursor, scope: cursorScope) else {
            throw CommonProblems.invalid("cursor", "must be the next_cursor of an earlier answer of this list")
        }
        return ListRequest(limit: limit, after: after)
    }
    /// The answer to `page()`: `{named: […], "next_cursor": …}`.
    package func reply<Item>(_ page: Page<Item>, named: String = "items", _ json: (Item) throws -> JSONValue) rethrows -> Reply {
        .json(value: [
            named: .array(try page.items.map(json)),
            "next_cursor": page.next.map { .string(keys.seal($0, scope: cursorScope)) } ?? .null,
        ])
    }
    private var cursorScope: String { "\(path)|\(principal?.tenant.description ?? "")" }
}

extension QueryField {
    /// `limit` and `cursor`.
    package static let paging = [
        QueryField("limit", .integer(1...100), "Items on a page; 20 where not said"),
        QueryField("cursor", .string(min: 1, max: 1_024), "next_cursor of the page before"),
    ]
}

extension Schema {
    /// What `Call.reply(_:named:_:)` answers.
    package static func page(_ named: String = "items", of item: Schema) -> Schema {
        .object([
            SchemaField(named, .array(item, max: 100)),
            SchemaField("next_cursor", .nullable(.string(max: 1_024)), "Send as cursor for the next page; null on the last"),
        ])
    }
}
