import Vocabulary

/// How the pages look: another company runs the same binary under its own name and colours.
package enum ConsoleSettings {
    package static let claim = Setting(
        "brand.claim", default: "Developer tools, licensed in minutes", range: "1 to 100 characters",
        accepts: { (1...100).contains($0.count) },
        reason: "What stands in large letters on the first page.")
    package static let accent = Setting(
        "brand.accent", default: "#0b57d0", range: "#rrggbb, readable on white: a contrast of 4.5 or more",
        accepts: { Colour($0).map { $0.contrast(to: .lightGround) >= 4.5 && $0.contrast(to: .lightRaised) >= 4.5 } ?? false },
        reason: "The colour of links and buttons by day. One that cannot be read (WCAG 2.2, 1.4.3) is refused.")
    package static let darkAccent = Setting(
        "brand.accent_dark", default: "#8ab4f8", range: "#rrggbb, readable on near-black: a contrast of 4.5 or more",
        accepts: { Colour($0).map { $0.contrast(to: .darkGround) >= 4.5 && $0.contrast(to: .darkRaised) >= 4.5 } ?? false },
        reason: "The colour of links and buttons by night.")
    package static let all: [AnySetting] = [claim.erased, accent.erased, darkAccent.erased]
}
