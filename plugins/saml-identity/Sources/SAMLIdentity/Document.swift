import CSAML
import Foundation
import PluginKit

/// A parsed document, and what of it was proved. libxml2 reads it once; everything else looks at that reading.
final class Document {
    private let pointer: OpaquePointer
    private(set) lazy var root = ElementReader.read(pointer)

    private init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { csaml_free(pointer) }

    /// Why a document is not taken; the sentence holds nothing of it.
    struct Refusal: Error, Sendable { let reason: String }

    convenience init(_ text: Data) throws(Refusal) {
        var why = Why()
        guard let pointer = Bytes.withBytes([text], { csaml_parse($0[0], &why.buffer) }) else { throw Refusal(reason: why.text) }
        self.init(pointer)
    }

    /// The element at `path` (see csaml.h) as its own signature covers it, and which of `certificates` it holds under.
    func verified(_ path: String, under certificates: [Data]) throws(Refusal) -> (covered: Document, certificate: Int) {
        var why = Why()
        var index = 0
        let found = Bytes.withBytes(certificates) { csaml_verified(pointer, path, $0.baseAddress, $0.count, &index, &why.buffer) }
        guard let found else { throw Refusal(reason: why.text) }
        return (Document(found), index)
    }

    /// The assertion inside of the only encrypted one.
    func decrypted(with keys: [Data], acceptingCBC: Bool) throws(Refusal) -> Document {
        var why = Why()
        let found = Bytes.withBytes(keys) { csaml_decrypted(pointer, $0.baseAddress, $0.count, acceptingCBC, &why.buffer) }
        guard let found else { throw Refusal(reason: why.text) }
        return Document(found)
    }
}

/// Where the C side writes its sentence.
struct Why {
    var buffer = [CChar](repeating: 0, count: Int(CSAML_WHY))
    var text: String { String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) }
}

enum Bytes {
    /// The same bytes for the C side, for as long as `work` lasts.
    static func withBytes<Value>(_ parts: [Data], _ work: (UnsafeBufferPointer<csaml_bytes>) -> Value) -> Value {
        // One copy of all of them, so that one pointer holds them in place.
        let joined = parts.reduce(into: [UInt8]()) { $0 += $1 }
        return joined.withUnsafeBufferPointer { all in
            var start = 0
            let spans = parts.map { part -> csaml_bytes in
                defer { start += part.count }
                return csaml_bytes(bytes: all.baseAddress.map { $0 + start }, count: part.count)
            }
            return spans.withUnsafeBufferPointer(work)
        }
    }
}

/// One element, read to the end.
struct Element: Sendable {
    struct Attribute: Sendable {
        let space: String
        let name: String
        let value: String
    }
    let space: String
    let name: String
    var attributes: [Attribute] = []
    var children: [Element] = []
    /// All text right inside of it, joined.
    var text = ""

    enum Space {
        static let assertion = "urn:oasis:names:tc:SAML:2.0:assertion"
        static let response = "urn:oasis:names:tc:SAML:2.0:protocol"
        static let metadata = "urn:oasis:names:tc:SAML:2.0:metadata"
        static let signature = "http://www.w3.org/2000/09/xmldsig#"
    }

    func isNamed(_ name: String, _ space: String) -> Bool { self.name == name && self.space == space }
    /// An attribute without a namespace.
    subscript(attribute: String) -> String? { attributes.first { $0.name == attribute && $0.space.isEmpty }?.value }
    func all(_ name: String, _ space: String = Space.assertion) -> [Element] { children.filter { $0.isNamed(name, space) } }
    /// The only child of that name; nil if there is none, or more.
    func only(_ name: String, _ space: String = Space.assertion) -> Element? {
        let found = all(name, space)
        return found.count == 1 ? found[0] : nil
    }
    /// How many there are below, however deep, and itself.
    func count(where fits: (Element) -> Bool) -> Int { children.reduce(fits(self) ? 1 : 0) { $0 + $1.count(where: fits) } }
    /// Without the white space around it, as lists and addresses are written in XML.
    var trimmed: String { text.trimmingCharacters(in: .whitespacesAndNewlines) }
}

/// Puts elements together while the C side tells of them.
private final class ElementReader {
    private var open: [Element] = []
    private var finished = Element(space: "", name: "")

    static func read(_ document: OpaquePointer) -> Element {
        let reader = ElementReader()
        var visitor = csaml_visitor(
            context: Unmanaged.passUnretained(reader).toOpaque(),
            begin: { context, space, name in
                ElementReader.of(context).open.append(Element(space: ElementReader.text(space), name: ElementReader.text(name)))
            },
            attribute: { context, space, name, value in
                let reader = ElementReader.of(context)
                reader.open[reader.open.count - 1].attributes.append(
                    Element.Attribute(space: ElementReader.text(space), name: ElementReader.text(name), value: ElementReader.text(value)))
            },
            text: { context, text in
                let reader = ElementReader.of(context)
                reader.open[reader.open.count - 1].text += ElementReader.text(text)
            },
            end: { context in
                let reader = ElementReader.of(context)
                let done = reader.open.removeLast()
                if reader.open.isEmpty { reader.finished = done } else { reader.open[reader.open.count - 1].children.append(done) }
            })
        csaml_visit(document, &visitor)
        return reader.finished
    }
    private static func of(_ context: UnsafeMutableRawPointer?) -> ElementReader {
        guard let context else { preconditionFailure("the visitor has its context") }  // `read` gave it; no document reaches it
        return Unmanaged<ElementReader>.fromOpaque(context).takeUnretainedValue()
    }
    private static func text(_ pointer: UnsafePointer<CChar>?) -> String { pointer.map { String(cString: $0) } ?? "" }
}
