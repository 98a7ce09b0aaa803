import Foundation
import Store

/// The shipped list of common passwords and the words they are made of, as a prefix tree.
package struct CommonWords: Sendable {
    private struct Node {
        let sign: Unicode.Scalar
        var firstChild: Int32 = -1
        var nextSibling: Int32 = -1
        var isWord = false
    }
    private var nodes: [Node] = [Node(sign: "\u{0}")]
    package private(set) var count = 0

    package init(words: some Sequence<String>) {
        for word in words { insert(word) }
    }

    /// The list in this room's resources.
    package static func shipped() throws -> CommonWords {
        guard let url = Bundle.module.url(forResource: "common-passwords", withExtension: "txt", subdirectory: "Words") else {
            throw StoreFault.corrupt("identity: the list of common passwords is missing")
        }
        let text = try String(contentsOf: url, encoding: .utf8)
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
        return CommonWords(words: lines.flatMap { $0.split(separator: " ") }.map { MailCanon.fold(String($0)) })
    }

    private mutating func insert(_ word: String) {
        var place = 0
        for sign in word.unicodeScalars { place = child(of: place, sign) ?? add(to: place, sign) }
        guard place != 0, !nodes[place].isWord else { return }
        nodes[place].isWord = true
        count += 1
    }
    private mutating func add(to parent: Int, _ sign: Unicode.Scalar) -> Int {
        nodes.append(Node(sign: sign, nextSibling: nodes[parent].firstChild))
        nodes[parent].firstChild = Int32(nodes.count - 1)
        return nodes.count - 1
    }
    private func child(of parent: Int, _ sign: Unicode.Scalar) -> Int? {
        var place = nodes[parent].firstChild
        while place >= 0 {
            if nodes[Int(place)].sign == sign { return Int(place) }
            place = nodes[Int(place)].nextSibling
        }
        return nil
    }

    /// The ends of every word that begins at `start`, each sign read as itself or as a letter it stands for.
    func ends(in text: [Unicode.Scalar], from start: Int) -> Set<Int> {
        var found: Set<Int> = []
        var open = [0]
        var index = start
        while index < text.count, !open.isEmpty {
            var next: [Int] = []
            for place in open {
                if let straight = child(of: place, text[index]) { next.append(straight) }
                for letter in Self.disguises[text[index]] ?? [] {
                    if let place = child(of: place, letter) { next.append(place) }
                }
            }
            index += 1
            if next.contains(where: { nodes[$0].isWord }) { found.insert(index) }
            open = next
        }
        return found
    }

    /// Digits and signs that stand for letters.
    static let disguises: [Unicode.Scalar: [Unicode.Scalar]] = [
        "0": ["o"], "1": ["i", "l"], "2": ["z"], "3": ["e"], "4": ["a"], "5": ["s"], "6": ["g", "b"], "7": ["t"], "8": ["b"], "9": ["g"],
        "@": ["a"], "$": ["s"], "!": ["i", "l"], "+": ["t"], "(": ["c"], "|": ["l", "i"], "€": ["e"], "ß": ["s"],
    ]
}
