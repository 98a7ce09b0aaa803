import Foundation
import PluginKit

// What strangers do with addresses that they were given. Stores that do not presign leave them to the server.
extension FileStoreConformance {
    private func address(
        _ purpose: PresignRequest.Purpose, _ store: any FileStore, for span: Duration = .seconds(300)
    ) async throws -> PresignedAddress {
        try await store.presign(PresignRequest(key: Self.key, purpose: purpose, lifetime: span))
    }
    private func fetch(
        _ address: PresignedAddress, _ stage: FileStage, method: String? = nil, url: String? = nil, headers: [String: String] = [:],
        body: Data = Data()
    ) async throws -> OutboundResponse {
        try await stage.fetch(
            OutboundRequest(
                method ?? address.method, url ?? address.url, headers: address.headers.merging(headers) { $1 }, body: body,
                maxAnswerBytes: 16_777_216))
    }
    private func isTaken(_ answer: OutboundResponse) -> Bool { (200..<300).contains(answer.status) }

    func presignedReading() async throws -> [String]? {
        let page = Self.file("<script>alert(1)</script>", type: "text/html")
        let stage = try await stage(kept: [page, Self.file("other", "another"), Self.file(Self.key.path, tenant: "t2", "theirs")])
        guard stage.store.presigns else { return nil }
        let name = "Übersicht \"Q3\"; x=.html"
        let given = try await address(.read(downloadName: name), stage.store)
        let answer = try await fetch(given, stage)
        var faults = leaks(given.url)
        if answer.status != 200 || answer.body != page.content { faults.append("It answers \(answer.status), \(answer.body.count) bytes.") }
        let disposition = answer.headers["content-disposition"] ?? ""
        if !disposition.lowercased().hasPrefix("attachment") { faults.append("A browser would show the file: \(disposition).") }
        if !disposition.contains("%C3%9Cbersicht%20%22Q3%22%3B%20x%3D.html") { faults.append("The file is saved as \(disposition).") }
        for path in ["../t2/f", "a\0"] {
            let request = PresignRequest(key: FileKey(tenant: "t1", path: path), purpose: .read(downloadName: "x"), lifetime: .seconds(5))
            faults += fault(
                "An address for \(path.debugDescription)", await thrown { _ = try await stage.store.presign(request) },
                unless: Self.isRefused)
        }
        for name in ["", "a\r\nb", "a/b", "a\u{7f}", String(repeating: "n", count: 201)] {
            faults += fault(
                "The name \(name.prefix(20).debugDescription)",
                await thrown {
                    _ = try await address(.read(downloadName: name), stage.store)
                }, unless: Self.isRefused)
        }
        for span in [Duration.zero, .seconds(-5), .days(8)] {
            faults += fault(
                "An address for \(span)",
                await thrown {
                    _ = try await address(.read(downloadName: "x"), stage.store, for: span)
                }, unless: Self.isRefused)
        }
        return faults
    }

    func presignedWriting() async throws -> [String]? {
        let stage = try await stage()
        guard stage.store.presigns else { return nil }
        let file = Self.file("exactly this")
        var faults: [String] = []
        func takes(_ what: String, _ headers: [String: String], _ body: Data, method: String? = nil) async throws {
            let given = try await address(.write(file.file), stage.store)
            faults += leaks(given.url + given.headers.values.joined())
            if isTaken(try await fetch(given, stage, method: method, headers: headers, body: body)) { faults.append("It takes \(what).") }
            if !(try await stage.held().isEmpty) { faults.append("\(what) was kept.") }
        }
        try await takes("other bytes of the same size", [:], Data("exactly thus".utf8))
        try await takes("more bytes", [:], Data("exactly this, and more".utf8))
        try await takes("nothing", [:], Data())
        try await takes("another type", ["content-type": "text/html"], file.content)
        let given = try await address(.write(file.file), stage.store)
        if given.method != "PUT" { faults.append("It is written by \(given.method).") }
        let answer = try await fetch(given, stage, body: file.content)
        if !isTaken(answer) { faults.append("What was declared is answered \(answer.status).") }
        if isTaken(answer), let fault = try await otherwise(file, in: stage.store) { faults.append(fault) }
        let other = PresignRequest(key: FileKey(tenant: "t1", path: "other"), purpose: .write(file.file), lifetime: .seconds(60))
        faults += fault(
            "Another file than the address is for", await thrown { _ = try await stage.store.presign(other) }, unless: Self.isRefused)
        return faults
    }

    func alteredAddresses() async throws -> [String]? {
        let kept = [Self.file("mine"), Self.file("other", "another"), Self.file(Self.key.path, tenant: "t2", "theirs")]
        let stage = try await stage(kept: kept)
        guard stage.store.presigns else { return nil }
        var faults: [String] = []
        let reading = try await address(.read(downloadName: "x"), stage.store)
        for (what, url) in [
            ("to another file", reading.url.replacing("projects/p1/f1", with: "other")),
            ("to another tenant", reading.url.replacing("t1/projects", with: "t2/projects")),
            ("in its last sign", String(reading.url.dropLast()) + (reading.url.hasSuffix("0") ? "1" : "0")),
            ("in its time", reading.url.replacing("=300", with: "=900")),
            ("by cutting its end", String(reading.url.dropLast(8))),
            ("by what it shows", reading.url.replacing("attachment", with: "inline")),
        ] {
            guard url != reading.url else {
                faults.append("The kit finds no place to alter \(what).")
                continue
            }
            if isTaken(try await fetch(reading, stage, url: url)) { faults.append("An address altered \(what) gives a file.") }
        }
        for method in ["PUT", "DELETE", "POST"] where isTaken(try await fetch(reading, stage, method: method, body: Data("x".utf8))) {
            faults.append("An address for reading takes \(method).")
        }
        let writing = try await address(.write(Self.file("new").file), stage.store)
        for method in ["GET", "DELETE"] where isTaken(try await fetch(writing, stage, method: method)) {
            faults.append("An address for writing takes \(method).")
        }
        await stage.pass(.seconds(301))
        if isTaken(try await fetch(reading, stage)) { faults.append("An address past its time gives a file.") }
        if isTaken(try await fetch(writing, stage, body: Data("new".utf8))) { faults.append("An address past its time takes a file.") }
        if try await stage.held().values.sorted(by: { $0.count < $1.count }) != kept.map(\.content).sorted(by: { $0.count < $1.count }) {
            faults.append("There is something else than before.")
        }
        return faults
    }
}
