import Foundation

/// Looks for words that must stand nowhere any more: as they are, and as Base64, hexadecimal and addresses write them. What is packed or
/// enciphered is not opened: it is to be gone, or without its key.
package struct Remains {
    /// A shorter word would be found in anything.
    static let shortest = 8
    private struct Form {
        let word: String
        let bytes: [UInt8]
    }
    private var forms: [UInt64: [Form]] = [:]
    /// One bit for each first eight bytes, by a part of their hash: most places in a file need no more than that.
    private var mayBegin = [Bool](repeating: false, count: 1 << 20)

    package init(words: Set<String>) {
        for word in words where word.utf8.count >= Self.shortest {
            for bytes in Self.written(word) where bytes.count >= Self.shortest {
                let head = bytes.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                forms[head, default: []].append(Form(word: word, bytes: bytes))
                mayBegin[Self.place(head)] = true
            }
        }
    }
    private static func place(_ head: UInt64) -> Int { Int((head &* 0x9e37_79b9_7f4a_7c15) >> 44) }

    private static func written(_ word: String) -> Set<[UInt8]> {
        var all: Set<[UInt8]> = []
        for text in [word, word.lowercased(), word.uppercased()] {
            let bytes = Array(text.utf8)
            all.insert(bytes)
            let hex = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            all.formUnion([Array(hex.utf8), Array(hex.uppercased().utf8)])
            if let address = text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) { all.insert(Array(address.utf8)) }
            // Where the word begins within three bytes; without the signs into which its neighbours reach.
            for before in 0..<3 {
                let signs = Data([UInt8](repeating: 0, count: before) + bytes).base64EncodedString().prefix { $0 != "=" }
                let whole = (before + bytes.count) % 3 == 0 ? signs[...] : signs.dropLast()
                let core = Array(whole.dropFirst([0, 2, 3][before]).utf8)
                all.insert(core)
                all.insert(core.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: "-") : $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 })
            }
        }
        return all
    }

    /// The words that stand in there.
    package func find(in data: Data) -> Set<String> {
        guard !forms.isEmpty, data.count >= Self.shortest else { return [] }
        return data.withUnsafeBytes { raw in
            let bytes = raw.bindMemory(to: UInt8.self)
            return mayBegin.withUnsafeBufferPointer { mayBegin in
                var found: Set<String> = []
                var head = bytes[0..<7].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
                for end in 7..<bytes.count {
                    head = head << 8 | UInt64(bytes[end])
                    guard mayBegin[Self.place(head)], let here = forms[head] else { continue }
                    let start = end - 7
                    for form in here where start + form.bytes.count <= bytes.count {
                        let isThere = form.bytes.indices.dropFirst(8).allSatisfy { bytes[start + $0] == form.bytes[$0] }
                        if isThere { found.insert(form.word) }
                    }
                }
                return found
            }
        }
    }
    package func find(in text: String) -> Set<String> { find(in: Data(text.utf8)) }

    /// Every file of a folder, by its path within, with the words that stand in its name or in it.
    func find(in folder: URL) -> [(file: String, words: Set<String>)] {
        guard !forms.isEmpty, let names = FileManager.default.enumerator(atPath: folder.path) else { return [] }
        var found: [(String, Set<String>)] = []
        for case let name as String in names {
            let data = try? Data(contentsOf: folder.appendingPathComponent(name), options: .mappedIfSafe)
            let words = find(in: name).union(data.map { find(in: $0) } ?? [])
            if !words.isEmpty { found.append((name, words)) }
        }
        return found.sorted { $0.0 < $1.0 }
    }
}
