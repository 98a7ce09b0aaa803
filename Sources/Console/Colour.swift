import Foundation

/// A colour of the style sheet, as far as reading it goes.
struct Colour: Hashable, Sendable {
    let red: Int
    let green: Int
    let blue: Int

    // The grounds of style.css; a test compares.
    static let lightGround = Colour(red: 0xff, green: 0xff, blue: 0xff)
    static let lightRaised = Colour(red: 0xf6, green: 0xf7, blue: 0xf9)
    static let darkGround = Colour(red: 0x0f, green: 0x13, blue: 0x18)
    static let darkRaised = Colour(red: 0x18, green: 0x1e, blue: 0x26)

    init(red: Int, green: Int, blue: Int) {
        self.red = red
        self.green = green
        self.blue = blue
    }
    /// `#rrggbb`
    init?(_ text: String) {
        guard text.utf8.count == 7, text.hasPrefix("#"), text.dropFirst().utf8.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
            let value = Int(text.dropFirst(), radix: 16)
        else { return nil }
        self.init(red: value >> 16, green: value >> 8 & 255, blue: value & 255)
    }
    var hex: String {
        "#" + [red, green, blue].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// WCAG 2.2, relative luminance.
    private var luminance: Double {
        func linear(_ channel: Int) -> Double {
            let value = Double(channel) / 255
            return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
        }
        return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }
    /// WCAG 2.2, contrast ratio: 1 to 21.
    func contrast(to other: Colour) -> Double {
        let (high, low) = (max(luminance, other.luminance), min(luminance, other.luminance))
        return (high + 0.05) / (low + 0.05)
    }
    /// Black or white, whichever reads better on this.
    var ink: Colour {
        let (white, black) = (Colour(red: 255, green: 255, blue: 255), Colour(red: 0x0b, green: 0x12, blue: 0x20))
        return contrast(to: white) >= contrast(to: black) ? white : black
    }
}
