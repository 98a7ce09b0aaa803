import Foundation
import PluginKit

/// For key services that wrap secrets; the others have nothing to show.
extension KeyServiceConformance {
    private static let context = Data("coditect:conformance:SECRET".utf8)
    private static let secret = Data("the secret that is wrapped, and shown nowhere".utf8)

    private func wrapping(_ name: String = "wrapping") -> String { "\(subject.prefix)-\(name)" }
    private func request(_ data: Data, _ key: String? = nil, _ context: Data? = nil) -> WrappingRequest {
        WrappingRequest(key: key ?? wrapping(), data: data, context: context ?? Self.context)
    }
    private func ready() async throws -> (any KeyService)? {
        let service = try await subject.service()
        guard service.wrapsSecrets else { return nil }
        try await service.makeWrappingKey(wrapping())
        return service
    }
    private static func isAway(_ error: KeyServiceError) -> Bool { if case .unavailable = error { true } else { false } }

    func wrapped() async throws -> [String] {
        guard let service = try await ready() else { return [] }
        let again = try await subject.service()
        // A key that is there already stays what it is.
        try await again.makeWrappingKey(wrapping())
        var faults: [String] = []
        for count in [1, 15, 16, 17, 32, KeyServiceLimits.maxWrappedBytes] {
            let secret = Data((0..<count).map { UInt8(truncatingIfNeeded: $0 &+ 7) })
            let box = try await service.wrap(request(secret))
            if box.count > KeyServiceLimits.maxBoxBytes { faults.append("A box of \(count) bytes has \(box.count).") }
            if try await again.unwrap(request(box)) != secret { faults.append("\(count) bytes come back as others.") }
        }
        let (first, second) = (try await service.wrap(request(Self.secret)), try await service.wrap(request(Self.secret)))
        if first == second { faults.append("Twice the same secret gives twice the same box.") }
        for box in [first, second] where box.range(of: Self.secret.prefix(12)) != nil { faults.append("The secret stands in its box.") }
        // Two boxes under one keystream tell one secret by the other.
        let plain = try await service.wrap(request(Data(count: Self.secret.count)))
        let mixed = Data(zip(first, plain).map { $0 ^ $1 })
        if mixed.range(of: Self.secret.prefix(12)) != nil { faults.append("Two boxes have one keystream.") }
        let bare = try await service.wrap(request(Self.secret, nil, Data()))
        if try await again.unwrap(request(bare, nil, Data())) != Self.secret {
            faults.append("Without a context it comes back as another.")
        }
        return faults
    }

    func sealed() async throws -> [String] {
        guard let service = try await ready() else { return [] }
        try await service.makeWrappingKey(wrapping("other"))
        let box = try await service.wrap(request(Self.secret))
        var faults: [String] = []
        func mustRefuse(_ what: String, _ request: WrappingRequest) async {
            faults += fault("Opening \(what)", await thrown { _ = try await service.unwrap(request) }, unless: Self.isRefused)
        }
        for index in Set([0, 1, box.count / 3, box.count / 2, box.count - 17, box.count - 2, box.count - 1]).sorted() {
            var changed = box
            changed[index] ^= 1
            await mustRefuse("a box changed in byte \(index)", request(changed))
        }
        for count in [0, 1, 12, 16, 28, box.count - 1] { await mustRefuse("the first \(count) bytes of a box", request(box.prefix(count))) }
        await mustRefuse("a box with a byte behind it", request(box + [0]))
        await mustRefuse("a box of another context", request(box, nil, Self.context + [0]))
        await mustRefuse("a box without its context", request(box, nil, Data()))
        await mustRefuse("a box of another key", request(box, wrapping("other")))
        await mustRefuse("too much", request(Data(count: KeyServiceLimits.maxBoxBytes + 1)))
        if try await service.unwrap(request(box)) != Self.secret { faults.append("After refusals the right box is opened otherwise.") }
        return faults
    }

    func wrappingNamed() async throws -> [String] {
        guard let service = try await ready() else { return [] }
        let name = fresh()
        let box = try await service.wrap(request(Self.secret))
        var faults: [String] = []
        faults += fault("Wrapping under a key that is not there", await thrown { _ = try await service.wrap(request(Self.secret, name)) }) {
            $0 == .unknownKey(name)
        }
        faults += fault("Opening with a key that is not there", await thrown { _ = try await service.unwrap(request(box, name)) }) {
            $0 == .unknownKey(name)
        }
        let signing = try await key(try quick(service), service).name
        let isNone: (KeyServiceError) -> Bool = { Self.isRefused($0) || $0 == .unknownKey(signing) }
        faults += fault(
            "Wrapping under a key for signatures", await thrown { _ = try await service.wrap(request(Self.secret, signing)) },
            unless: isNone)
        faults += fault(
            "A wrapping key under the name of one for signatures", await thrown { try await service.makeWrappingKey(signing) },
            unless: Self.isRefused)
        for name in ["", "a b", "../a", "a\0b", String(repeating: "a", count: 101)] {
            let what = name.prefix(20).debugDescription
            faults += fault("A key named \(what)", await thrown { try await service.makeWrappingKey(name) }, unless: Self.isRefused)
            faults += fault(
                "Wrapping under \(what)", await thrown { _ = try await service.wrap(request(Self.secret, name)) }, unless: Self.isRefused)
            faults += fault(
                "Opening with \(what)", await thrown { _ = try await service.unwrap(request(box, name)) }, unless: Self.isRefused)
        }
        for count in [0, KeyServiceLimits.maxWrappedBytes + 1] {
            faults += fault(
                "Wrapping \(count) bytes", await thrown { _ = try await service.wrap(request(Data(count: count))) }, unless: Self.isRefused)
        }
        return faults
    }

    func wrappedTogether() async throws -> [String] {
        guard let service = try await ready() else { return [] }
        let name = fresh()
        let isRight = try await withThrowingTaskGroup(of: Bool.self) { group in
            for number in 0..<24 {
                group.addTask {
                    // All make it, and all must have got the same.
                    try await service.makeWrappingKey(name)
                    let secret = Data("secret \(number)".utf8)
                    let box = try await service.wrap(self.request(secret, name))
                    return try await service.unwrap(self.request(box, name)) == secret
                }
            }
            return try await group.allSatisfy { $0 }
        }
        return isRight ? [] : ["Of 24 at a time one got another's secret."]
    }

    func wrappingAway() async throws -> [String] {
        guard let service = try await ready() else { return [] }
        let box = try await service.wrap(request(Self.secret))
        var faults: [String] = []
        try await subject.loseSessions()
        if let error = await thrown({ _ = try await service.unwrap(request(box)) }) { faults.append("After a loss it threw \(error).") }
        try await subject.setAway(true)
        faults += fault("Opening without it", await thrown { _ = try await service.unwrap(request(box)) }, unless: Self.isAway)
        faults += fault("Wrapping without it", await thrown { _ = try await service.wrap(request(Self.secret)) }, unless: Self.isAway)
        faults += fault("Making a key without it", await thrown { try await service.makeWrappingKey(fresh()) }, unless: Self.isAway)
        try await subject.setAway(false)
        try await subject.pass(.seconds(2))
        if try await service.unwrap(request(box)) != Self.secret { faults.append("Back again, it opens a box otherwise.") }
        try await subject.setHanging(true)
        async let waiting = thrown { _ = try await service.unwrap(request(box)) }
        try await subject.pass(.seconds(Int64(KeyServiceLimits.answerSeconds + 1)))
        let error = await waiting
        try await subject.setHanging(false)
        faults += fault("Opening while nothing answers", error, unless: Self.isAway)
        if try await service.unwrap(request(box)) != Self.secret { faults.append("Once it answers again, it opens a box otherwise.") }
        return faults
    }
}
