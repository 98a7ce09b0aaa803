import Testing

@testable import LDAPIdentity

@Suite struct BERTests {
    /// Written down from RFC 4511 and X.690 by hand.
    static let numbers: [(Int32, [UInt8])] = [
        (0, [2, 1, 0]), (127, [2, 1, 127]), (128, [2, 2, 0, 128]), (-1, [2, 1, 255]), (-128, [2, 1, 128]), (-129, [2, 2, 255, 127]),
        (256, [2, 2, 1, 0]), (.max, [2, 4, 127, 255, 255, 255]), (.min, [2, 4, 128, 0, 0, 0]),
    ]
    @Test("numbers are written in as few bytes as hold them, and read again", arguments: numbers)
    func inFewBytes(number: Int32, bytes: [UInt8]) throws {
        #expect(BER.number(number) == bytes)
        var reader = BERReader(bytes)
        #expect(try reader.next(BER.integer).number() == number)
    }

    @Test("lengths in more bytes than needed are read, as directories write them")
    func longLengths() throws {
        var reader = BERReader([0x30, 0x84, 0, 0, 0, 3, 4, 1, 65])
        var inner = try reader.next(BER.sequence).parts
        #expect(try inner.next(BER.octets).text() == "A")
    }

    static let broken: [[UInt8]] = [
        [], [4], [4, 1], [4, 5, 65], [4, 0x80, 0, 0], [4, 0x85, 0, 0, 0, 0, 1, 65], [4, 0x84, 0xFF, 0xFF, 0xFF, 0xFF], [0x1F, 1, 0],
        [4, 0x82, 1],
    ]
    @Test("what is cut off, endless or longer than what is there is refused", arguments: broken)
    func refused(bytes: [UInt8]) {
        #expect(throws: BER.Fault.self) {
            var reader = BERReader(bytes)
            _ = try reader.next()
        }
    }

    @Test("a number of no or of more than four bytes, and a text that is not UTF-8, are refused")
    func badValues() throws {
        for bytes: [UInt8] in [[2, 0], [2, 5, 0, 0, 0, 0, 1]] {
            var reader = BERReader(bytes)
            let element = try reader.next()
            #expect(throws: BER.Fault.self) { try element.number() }
        }
        var reader = BERReader([4, 2, 0xC3, 0x28])
        let element = try reader.next()
        #expect(throws: BER.Fault.self) { try element.text() }
    }

    @Test("whatever is written is read again", arguments: 0..<200)
    func roundTrip(seed: Int) throws {
        var dice = Dice(seed: UInt64(seed))
        let contents = (0..<dice.below(6)).map { _ in
            (0..<dice.below(seed.isMultiple(of: 9) ? 70_000 : 300)).map { _ in UInt8(dice.below(256)) }
        }
        var reader = BERReader(BER.element(BER.sequence, contents.map { BER.element(BER.octets, $0) }))
        var inner = try reader.next(BER.sequence).parts
        #expect(reader.isAtEnd)
        for content in contents { #expect(try inner.next(BER.octets).bytes == content) }
        #expect(inner.isAtEnd)
    }

    @Test("a message with any bytes changed, cut or put in is read or refused, and never ends the process", arguments: 0..<40)
    func mutations(seed: Int) throws {
        var dice = Dice(seed: UInt64(seed) &+ 9_000)
        let thing = Stage.person("ada", 11, .activeDirectory)
        let good = [
            PaperDirectory.message(3, PaperDirectory.entry(thing, Preset.activeDirectory.attributes)),
            PaperDirectory.message(
                4, PaperDirectory.result(0x61, 49, "no"), [(Control.passwordPolicy, BER.element(BER.sequence, BER.number(1, tag: 0x81)))]),
            PaperDirectory.message(0, PaperDirectory.result(0x78, 52, tail: BER.text(Answer.noticeOfDisconnection, tag: 0x8A))),
        ]
        for message in good { _ = try Answer(message) }
        var (read, refused) = (0, 0)
        for _ in 0..<500 {
            var bytes = good[dice.below(good.count)]
            for _ in 0...dice.below(4) {
                let place = dice.below(bytes.count)
                switch dice.below(4) {
                case 0: bytes[place] = UInt8(dice.below(256))
                case 1: bytes.remove(at: place)
                case 2: bytes.insert(UInt8(dice.below(256)), at: place)
                default: bytes = Array(bytes.prefix(max(1, place)))
                }
            }
            do {
                let answer = try Answer(bytes)
                for control in answer.controls { _ = try? (control.cookie, control.policyError) }
                if case .entry(let entry) = answer.content {
                    _ = (Preset.activeDirectory.subject(of: entry), entry.texts("mail"), DistinguishedName(entry.name))
                }
                read += 1
            } catch { refused += 1 }
        }
        #expect(read > 0 && refused > 0)
    }
}

@Suite struct MessageTests {
    @Test("a bind, a search and StartTLS are what RFC 4511 says, byte by byte")
    func requests() {
        #expect(
            Request.bind(name: "cn=a", password: "p").encoded(id: 1)
                == [0x30, 0x11, 2, 1, 1, 0x60, 0x0C, 2, 1, 3, 4, 4, 0x63, 0x6E, 0x3D, 0x61, 0x80, 1, 0x70])
        #expect(Request.unbind.encoded(id: 2) == [0x30, 5, 2, 1, 2, 0x42, 0])
        #expect(
            Request.startTLS.encoded(id: 1) == [0x30, 0x1D, 2, 1, 1, 0x77, 0x18, 0x80, 0x16] + Array("1.3.6.1.4.1.1466.20037".utf8))
        let search = Search(base: "", scope: .base, filter: .present("cn"), attributes: ["a"], limit: 2, seconds: 5)
        #expect(
            Request.search(search).encoded(id: 3) == [
                0x30, 0x1F, 2, 1, 3, 0x63, 0x1A, 4, 0, 0x0A, 1, 0, 0x0A, 1, 0, 2, 1, 2, 2, 1, 5, 1, 1, 0, 0x87, 2, 0x63, 0x6E, 0x30, 3, 4,
                1,
                0x61,
            ])
    }
}

/// SplitMix64: the same throws in each run.
struct Dice {
    private var state: UInt64
    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }
    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return Int((word ^ (word >> 31)) % UInt64(max(1, bound)))
    }
}
