import Foundation
import Vocabulary

/// A `multipart/form-data` body (RFC 7578): at most 16 parts, each of another name, with headers of at most 2 KiB together.
package struct MultipartForm: Sendable {
    package static let mediaType = "multipart/form-data"
    static let maxParts = 16
    static let maxHeaderBytes = 2_048

    package struct Part: Sendable {
        package let fileName: String?
        package let contentType: String?
        package let content: Data
    }
    private let parts: [String: Part]

    package subscript(name: String) -> Part? { parts[name] }
    /// A field that holds text; nil if it is none, or none in UTF-8.
    package func text(_ name: String) -> String? {
        guard let part = parts[name], part.fileName == nil else { return nil }
        return String(validating: part.content, as: UTF8.self)
    }

    package init(_ body: Data, contentType: String?) throws(Problem) {
        guard let boundary = Self.boundary(contentType) else { throw HTTPProblems.malformedForm }
        let line = Data("\r\n--\(boundary)".utf8)
        // As if the first line followed another, so that each part begins alike.
        let text = Data("\r\n".utf8) + body
        guard var place = text.range(of: line, in: text.startIndex..<text.endIndex), place.lowerBound == text.startIndex else {
            throw HTTPProblems.malformedForm
        }
        var parts: [String: Part] = [:]
        while true {
            let rest = text[place.upperBound...]
            if rest.starts(with: Data("--".utf8)) { break }
            guard rest.starts(with: Data("\r\n".utf8)), parts.count < Self.maxParts,
                let next = text.range(of: line, in: place.upperBound..<text.endIndex)
            else { throw HTTPProblems.malformedForm }
            let (name, part) = try Self.part(text[(place.upperBound + 2)..<max(next.lowerBound, place.upperBound + 2)])
            guard parts.updateValue(part, forKey: name) == nil else { throw HTTPProblems.malformedForm }
            place = next
        }
        self.parts = parts
    }

    private static func boundary(_ contentType: String?) -> String? {
        guard let contentType, contentType.utf8.count <= 512 else { return nil }
        let fields = contentType.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
        guard fields.first?.lowercased() == mediaType,
            let field = fields.dropFirst().first(where: { $0.lowercased().hasPrefix("boundary=") })
        else { return nil }
        let value = field.dropFirst("boundary=".count)
        let text = value.hasPrefix("\"") && value.hasSuffix("\"") && value.count > 1 ? value.dropFirst().dropLast() : value
        guard (1...70).contains(text.utf8.count), text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != 0x22 }) else { return nil }
        return String(text)
    }

    private static func part(_ bytes: Data) throws(Problem) -> (String, Part) {
        let ended = bytes.range(of: Data("\r\n\r\n".utf8), in: bytes.startIndex..<min(bytes.endIndex, bytes.startIndex + maxHeaderBytes))
        guard let ended, let head = String(validating: bytes[..<ended.lowerBound], as: UTF8.self) else { throw HTTPProblems.malformedForm }
        var (name, fileName, type): (String?, String?, String?)
        for line in head.components(separatedBy: "\r\n") {
            guard let colon = line.firstIndex(of: ":") else { throw HTTPProblems.malformedForm }
            let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            switch line[..<colon].lowercased() {
            case "content-disposition":
                guard value.lowercased().hasPrefix("form-data") else { throw HTTPProblems.malformedForm }
                (name, fileName) = (quoted("name", in: value), quoted("filename", in: value))
            case "content-type": type = value
            default: break
            }
        }
        guard let name, !name.isEmpty else { throw HTTPProblems.malformedForm }
        return (name, Part(fileName: fileName, contentType: type, content: Data(bytes[ended.upperBound...])))
    }

    /// `name="…"` as browsers write it: a quotation mark inside as `%22`, line ends as `%0D%0A` (WHATWG, 4.10.22.7).
    private static func quoted(_ field: String, in value: String) -> String? {
        guard let start = value.range(of: "; \(field)=\"") else { return nil }
        let rest = value[start.upperBound...]
        guard let end = rest.firstIndex(of: "\"") else { return nil }
        return String(rest[..<end]).replacing("%22", with: "\"").replacing("%0D", with: "\r").replacing("%0A", with: "\n")
    }
}

extension Call {
    /// The parts of a form that brings a file.
    package func multipart() throws(Problem) -> MultipartForm { try MultipartForm(body, contentType: header("content-type")) }
}
