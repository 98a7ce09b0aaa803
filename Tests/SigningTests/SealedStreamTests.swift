import Foundation
import Testing
import Vocabulary

@testable import Signing

@Suite("A sealed stream")
struct SealedStreamTests {
    private let secret = SecretBytes([UInt8](repeating: 7, count: 32))

    private func sealed(_ chunks: [[UInt8]]) throws -> (head: [UInt8], boxes: [[UInt8]]) {
        var stream = SealedStream(sealing: secret, label: "database", salt: SystemEntropy().bytes(32))
        let boxes = try chunks.enumerated().map { try stream.seal($1, isLast: $0 == chunks.count - 1) }
        return (stream.head, boxes)
    }
    private func opened(_ head: [UInt8], _ boxes: [[UInt8]], label: String = "database", secret: SecretBytes? = nil) throws -> [[UInt8]] {
        var stream = try SealedStream(opening: secret ?? self.secret, label: label, head: head)
        return try boxes.enumerated().map { try stream.open($1[...], isLast: $0 == boxes.count - 1) }
    }

    @Test(
        "what was sealed comes back in its order, an empty text and whole chunks too",
        arguments: [[0], [1], [5, 5, 3], [SealedStream.chunk, 0]])
    func whole(_ sizes: [Int]) throws {
        let chunks = sizes.map { SystemEntropy().bytes($0) }
        let (head, boxes) = try sealed(chunks)
        #expect(try opened(head, boxes) == chunks)
        #expect(head.count == SealedStream.headCount)
    }

    @Test("a chunk that is left out, moved, repeated or changed, a cut end, another label, key or head: none opens")
    func broken() throws {
        let (head, boxes) = try sealed([[1, 2], [3, 4], [5, 6]])
        let other = try sealed([[1, 2], [3, 4], [5, 6]])
        var flipped = boxes
        flipped[1][20] ^= 1
        for wrong in [
            [boxes[0], boxes[2]], [boxes[1], boxes[0], boxes[2]], [boxes[0], boxes[0], boxes[1], boxes[2]], [boxes[0], boxes[1]],
            flipped, [boxes[0], other.boxes[1], boxes[2]], [boxes[0], boxes[1], []],
        ] { #expect(throws: SigningFault.sealBroken) { try opened(head, wrong) } }
        #expect(throws: SigningFault.sealBroken) { try opened(head, boxes, label: "files.tar") }
        #expect(throws: SigningFault.sealBroken) { try opened(head, boxes, secret: SecretBytes([UInt8](repeating: 8, count: 32))) }
        #expect(throws: SigningFault.sealBroken) { try opened(other.head, boxes) }
        #expect(throws: SigningFault.sealBroken) { try opened(Array(head.dropLast()), boxes) }
    }

    @Test("a running digest is the digest of the whole")
    func running() {
        let bytes = SystemEntropy().bytes(1_000)
        let digest = RunningDigest()
        for start in stride(from: 0, to: 1_000, by: 300) { digest.add(Array(bytes[start..<min(start + 300, 1_000)])) }
        #expect(digest.finish() == Digest.sha256(bytes))
        #expect(RunningDigest().finish() == Digest.sha256([UInt8]()))
    }
}
