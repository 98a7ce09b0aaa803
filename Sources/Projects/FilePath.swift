import Foundation
import Vocabulary

/// The name of a file in a project: segments with slashes between. It is a name and nothing else: no store and no disk ever sees it, but
/// people's machines do when they download, so it holds only what is harmless there.
package struct FilePath: Sendable, Hashable {
    /// As it is shown, in Unicode's form C.
    package let text: String
    /// Equal for two paths that a person, or a file system that folds, could take for each other.
    package let key: String

    package static let maxBytes = 1_024
    package static let maxSegmentBytes = 200
    package static let maxSegments = 16

    package var name: String { text.split(separator: "/").last.map(String.init) ?? text }

    /// Throws `file_path_refused` with the reason.
    package init(_ raw: String) throws(Problem) {
        func refuse(_ reason: String) -> Problem { ProjectProblems.path.with(["reason": .string(reason)]) }
        guard (1...Self.maxBytes).contains(raw.utf8.count) else { throw refuse("a path has 1 to \(Self.maxBytes) bytes") }
        let text = raw.precomposedStringWithCanonicalMapping
        guard text.utf8.count <= Self.maxBytes else { throw refuse("a path has 1 to \(Self.maxBytes) bytes") }
        // By scalars: a combining mark after a slash makes one character of the two.
        let segments = text.unicodeScalars.split(separator: "/", omittingEmptySubsequences: false).map {
            String(String.UnicodeScalarView($0))
        }
        guard segments.count <= Self.maxSegments else { throw refuse("a path has at most \(Self.maxSegments) segments") }
        for segment in segments {
            if let fault = Self.fault(segment) { throw refuse(fault) }
            // What it becomes on a system that folds must be as harmless.
            let folded = segment.precomposedStringWithCompatibilityMapping
            if folded.contains("/") || Self.fault(folded) != nil { throw refuse("a sign stands for another that a path may not hold") }
            if let fault = LookAlikes.fault(segment) { throw refuse(fault) }
        }
        self.text = segments.joined(separator: "/")
        key = segments.map(LookAlikes.key).joined(separator: "/")
        guard key.utf8.count <= 4_096 else { throw refuse("a path has 1 to \(Self.maxBytes) bytes") }
    }

    private static let forbidden = Set("\\:*?\"<>|\u{7F}".unicodeScalars)
    /// What Windows takes for a device, with whatever behind a dot.
    private static let devices: Set<String> = {
        var names: Set<String> = ["con", "prn", "aux", "nul", "clock$", "conin$", "conout$"]
        for digit in ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "¹", "²", "³"] { names.formUnion(["com\(digit)", "lpt\(digit)"]) }
        return names
    }()

    private static func fault(_ segment: String) -> String? {
        guard (1...maxSegmentBytes).contains(segment.utf8.count) else { return "a segment has 1 to \(maxSegmentBytes) bytes" }
        guard let first = segment.unicodeScalars.first, let last = segment.unicodeScalars.last else { return "a segment is empty" }
        guard segment != ".", segment != ".." else { return "a segment is neither . nor .." }
        for scalar in segment.unicodeScalars {
            if forbidden.contains(scalar) { return "a path holds none of \\ : * ? \" < > |" }
            switch scalar.properties.generalCategory {
            case .control, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned, .format:
                return "a path holds no control, formatting or unassigned signs"
            case .spaceSeparator where scalar != " ": return "a path holds no space but the usual one"
            default: break
            }
            if scalar.properties.isDefaultIgnorableCodePoint { return "a path holds no sign that nobody sees" }
        }
        if first == " " || last == " " || last == "." { return "a segment begins and ends with no space and ends with no dot" }
        switch first.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: return "a segment begins with no combining mark"
        default: break
        }
        let stem = segment.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).first.map(String.init) ?? ""
        if devices.contains(stem.trimmingCharacters(in: .whitespaces).lowercased()) { return "a segment is no name of a device" }
        return nil
    }
}

/// Letters of Cyrillic and Greek that pass for Latin ones.
enum LookAlikes {
    private static let twins: [Unicode.Scalar: Unicode.Scalar] = {
        let pairs: [(String, String)] = [
            // Cyrillic, small and large; then Greek.
            ("авеіјкмнорѕтухсԁһԛԝӏѵ", "abeijkmhopstyxcdhqwlv"), ("АВЕІЈКМНОРЅТУХСԌԚԜӀ", "ABEIJKMHOPSTYXCGQWl"),
            ("αονρικυτχγ", "aovpikutxy"), ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX"),
        ]
        var twins: [Unicode.Scalar: Unicode.Scalar] = [:]
        for (strange, latin) in pairs { for (left, right) in zip(strange.unicodeScalars, latin.unicodeScalars) { twins[left] = right } }
        return twins
    }()
    private enum Script { case latin, cyrillic, greek }
    private static func script(_ scalar: Unicode.Scalar) -> Script? {
        guard scalar.properties.isAlphabetic else { return nil }
        switch scalar.value {
        case 0x41...0x5A, 0x61...0x7A, 0xC0...0x24F, 0x1E00...0x1EFF: return .latin
        case 0x370...0x3FF, 0x1F00...0x1FFF: return .greek
        case 0x400...0x52F, 0x1C80...0x1C8F, 0x2DE0...0x2DFF, 0xA640...0xA69F: return .cyrillic
        default: return nil
        }
    }

    /// A word of two scripts, one of whose letters passes for one of the other: `pаypal` with a Cyrillic а.
    static func fault(_ segment: String) -> String? {
        let words = segment.unicodeScalars.split { !$0.properties.isAlphabetic }
        for word in words {
            let scripts = Set(word.compactMap(script))
            if scripts.count > 1, word.contains(where: { twins[$0] != nil }) { return "a word mixes letters that look alike" }
        }
        return nil
    }
    /// Folded: case, width, composition, and letters that look alike.
    static func key(_ segment: String) -> String {
        let folded = segment.precomposedStringWithCompatibilityMapping.lowercased().decomposedStringWithCompatibilityMapping
        var out = String.UnicodeScalarView()
        for scalar in folded.unicodeScalars { out.append(twins[scalar] ?? scalar) }
        return String(out).lowercased().precomposedStringWithCompatibilityMapping
    }
}
