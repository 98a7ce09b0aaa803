import HTTPEdge
import Vocabulary

/// The fields that a page's form sent; one that is not there is empty.
struct SentForm {
    private let body: FormBody

    init(_ call: Call) throws(Problem) { body = try call.form() }

    subscript(name: String) -> String { body[name] ?? "" }
    /// Nil for a field that is missing or empty.
    func optional(_ name: String) -> String? { self[name].isEmpty ? nil : self[name] }
}
