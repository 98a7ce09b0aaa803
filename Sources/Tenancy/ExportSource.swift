import Vocabulary

/// Takes what a room gives to an export. Everything is written as it comes: nobody holds a whole export in memory.
package protocol ExportSink: Sendable {
    /// One record of a kind, a JSON object with the names of the API and no secret. A kind is one file of a line each; its records come
    /// together, none of another kind or file between them.
    func record(_ kind: String, _ object: JSONValue) async throws
    /// The same, where the text of the record is what proves it: one JSON object without a line break.
    func line(_ kind: String, _ text: String) async throws
    /// One file of the tenant, in pieces. `path` is a name for people, in parts without `/`; the sink makes it safe in an archive. A file
    /// that an earlier attempt has written is not read again.
    func file(_ kind: String, path: [String], content: any AsyncSequence<[UInt8], any Error> & Sendable) async throws
}

/// What a room knows of a tenant, given to it when it leaves or asks. Rooms to the right implement it, Composition hands the list over.
package protocol ExportSource: Sendable {
    /// `licensing`: the folder of the room in the export.
    var name: String { get }
    /// Tables whose rows it gives, wholly or in part; a test compares them with the schema.
    var given: [String] { get }
    /// May be repeated after a crash, and comes again where it stopped: what the sink has already is let go by. Reads in pages, by more
    /// than one transaction, in an order that stays.
    func export(_ tenant: TenantID, to sink: any ExportSink, _ act: Act) async throws
}
