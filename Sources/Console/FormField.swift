import HTTPEdge
import Vocabulary

/// One field of a form: its label, what a browser should know of it, what it holds and what is wrong with it.
struct FormField: Sendable {
    let name: String
    let label: String
    var type = "text"
    var autocomplete = "off"
    var hint: String?
    var minLength: Int?
    var maxLength: Int = 254
    var isOptional = false
    struct Option: Sendable, Hashable {
        let value: String
        let words: String
    }
    /// What there is to choose from; empty: anything may be written.
    var options: [Option] = []
    /// What has lines of its own gets room for them.
    var isLong: Bool { type == "text" && maxLength > 1_000 }
    /// A secret is never sent back to the browser.
    var isSecret: Bool { type == "password" }

    static let email = FormField(name: "email", label: "Email", type: "email", autocomplete: "email")
    static let signInEmail = FormField(name: "email", label: "Email", type: "email", autocomplete: "username")
    static let password = FormField(
        name: "password", label: "Password", type: "password", autocomplete: "current-password", maxLength: 1_024)
    static func newPassword(_ label: String) -> FormField {
        FormField(
            name: "password", label: label, type: "password", autocomplete: "new-password",
            hint: "At least 12 characters. A few unrelated words do well.", minLength: 12, maxLength: 1_024)
    }
    static let firstName = FormField(name: "first_name", label: "First name", autocomplete: "given-name", maxLength: 100)
    static let lastName = FormField(name: "last_name", label: "Last name", autocomplete: "family-name", maxLength: 100)
    static let organization = FormField(name: "organization", label: "Organization", autocomplete: "organization", maxLength: 200)

    /// What the template `field` shows.
    func shown(_ sent: SentForm?, _ problem: Problem?, holding held: String = "", in form: String = "") -> [String: Any] {
        let (id, value) = (form.isEmpty ? name : "\(form)-\(name)", sent?[name] ?? held)
        let wrong = problem.map { Self.rules($0)[name] } ?? nil
        var shown: [String: Any] = [
            "id": id, "name": name, "label": label, "type": type, "autocomplete": autocomplete, "maxLength": maxLength,
            "isOptional": isOptional, "isLong": isLong, "isLine": !isLong && options.isEmpty, "value": isSecret ? "" : value,
        ]
        if let minLength { shown["minLength"] = minLength }
        if let hint { shown["hint"] = ["text": hint] }
        if let wrong { shown["wrong"] = ["text": wrong] }
        if !options.isEmpty {
            shown["choice"] = ["options": options.map { ["value": $0.value, "words": $0.words, "isChosen": $0.value == value] }]
        }
        let describing = [wrong == nil ? nil : "\(id)-wrong", hint == nil ? nil : "\(id)-hint"].compactMap { $0 }
        if !describing.isEmpty { shown["describedBy"] = describing.joined(separator: " ") }
        return shown
    }

    /// The rule that each field broke, by the field's name.
    static func rules(_ problem: Problem) -> [String: String] {
        var rules: [String: String] = [:]
        for finding in problem.fields["fields"]?.array ?? [] {
            if let field = finding["field"]?.string, let rule = finding["rule"]?.string, rules[field] == nil { rules[field] = rule }
        }
        return rules
    }
}

/// The fields that a page's form sent; one that is not there is empty.
struct SentForm {
    private let body: FormBody

    init(_ call: Call) throws(Problem) { body = try call.form() }

    subscript(name: String) -> String { body[name] ?? "" }
    /// Nil for a field that is missing or empty.
    func optional(_ name: String) -> String? { self[name].isEmpty ? nil : self[name] }
}
