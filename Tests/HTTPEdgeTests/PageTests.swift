import Foundation
import Testing
import Vocabulary

@testable import HTTPEdge

@Suite("Forms of pages")
struct FormTests {
    private let form = ["Content-Type": "application/x-www-form-urlencoded"]

    /// The token on the page, and the cookie that came with it.
    private func load(_ house: House, _ headers: [String: String] = [:], tls: Bool = false) async throws -> (token: String, cookie: String?)
    {
        let page = await house.send("GET", "/page", headers, tls: tls)
        let token = try #require(page.text.split(separator: "value=").last?.dropLast())
        return (String(token), page.header("set-cookie"))
    }
    private func send(_ house: House, _ token: String, _ headers: [String: String], tls: Bool = false) async -> Reply {
        await house.send("POST", "/page", form.merging(headers) { _, new in new }, body: "said=a%26b+c&csrf_token=\(token)", tls: tls)
    }

    @Test("a form from our own page goes through, for a visitor and for a session")
    func goesThrough() async throws {
        let house = try House()
        let (token, cookie) = try await load(house)
        let set = try #require(cookie)
        #expect(set.hasPrefix("coditect_csrf=") && set.hasSuffix("; Path=/; HttpOnly; SameSite=Lax"))
        let held = String(set.prefix { $0 != ";" })
        let reply = await send(house, token, ["Cookie": held, "Origin": "http://app.example.com"])
        #expect(reply.status == 303 && reply.header("location") == "/page?said=a&b c")

        let session = ["Cookie": "coditect_session=alice-cookie"]
        let (own, none) = try await load(house, session)
        #expect(none == nil && own != token)
        #expect(await send(house, own, session).status == 303)
        #expect(house.calls.last?.principal == People.alice)
    }

    @Test("two tokens of one browser differ and both hold; under TLS the cookie is bound to the host")
    func tokens() async throws {
        let house = try House()
        let session = ["Cookie": "coditect_session=alice-cookie"]
        let (first, second) = (try await load(house, session).token, try await load(house, session).token)
        #expect(first != second)
        #expect(await send(house, first, session).status == 303)
        #expect(await send(house, second, session).status == 303)
        let secure = try #require(try await load(house, tls: true).cookie)
        #expect(secure.hasPrefix("__Host-coditect_csrf=") && secure.contains("; Secure"))
    }

    @Test("a page that asks for no token gets no cookie")
    func noCookie() async throws {
        let house = try House()
        #expect(await house.send("GET", "/plain").header("set-cookie") == nil)
    }

    @Test("a form without its token, with another's, or from another site is refused, and nothing is done")
    func refused() async throws {
        let house = try House()
        let alice = ["Cookie": "coditect_session=alice-cookie"]
        let token = try await load(house, alice).token
        let (visitor, set) = try await load(house)
        let held = String(try #require(set).prefix { $0 != ";" })
        let before = house.calls.count
        for (text, headers) in [
            ("", alice), ("x", alice), (String(token.dropLast()), alice), (token + "A", alice), (visitor, alice), (token, ["Cookie": held]),
            (visitor, [:]), (token, [:]),
            (token, ["Cookie": "coditect_session=bob-cookie"]),
            (token, alice.merging(["Origin": "https://evil.example"]) { _, new in new }),
            (token, alice.merging(["Origin": "null"]) { _, new in new }),
            (token, alice.merging(["Origin": "http://app.example.com.evil.example"]) { _, new in new }),
            (token, alice.merging(["Referer": "http://app.example.com.evil.example/"]) { _, new in new }),
            (token, alice.merging(["Sec-Fetch-Site": "cross-site"]) { _, new in new }),
            (token, alice.merging(["Sec-Fetch-Site": "same-site"]) { _, new in new }),
            (String(repeating: "A", count: 64), alice), (String(repeating: "A", count: 10_00), alice),
        ] as [(String, [String: String])] {
            let reply = await send(house, text, headers)
            #expect([403, 413].contains(reply.status), "\(text) \(headers)")
        }
        #expect(house.calls.count == before)
        #expect(await send(house, token, alice.merging(["Referer": "http://app.example.com/page"]) { _, new in new }).status == 303)
        #expect(await house.send("POST", "/page", alice.merging(["X-CSRF-Token": token]) { _, new in new }).status == 303)
    }

    @Test("another process with the same secret verifies the token, one with another does not")
    func secrets() {
        let token = EdgeKeys(secret: Array("one".utf8), entropy: CountingEntropy()).csrf.token(for: "b")
        #expect(EdgeKeys(secret: Array("one".utf8), entropy: CountingEntropy()).csrf.isValid(token, for: "b"))
        #expect(!EdgeKeys(secret: Array("two".utf8), entropy: CountingEntropy()).csrf.isValid(token, for: "b"))
    }

    @Test(
        "JSON and multipart bodies are not forms",
        arguments: [
            "application/json", "multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencoded; charset=latin1",
        ])
    func mediaType(type: String) async throws {
        let reply = try await House().send("POST", "/page", ["Content-Type": type], body: "a=b")
        #expect(reply.status == 415)
    }

    @Test("form fields are decoded strictly")
    func fields() throws {
        let body = try FormBody(Data("a=1&b=x%20y+z&c=&d&%C3%A9=%E2%82%AC&e=f=g".utf8))
        #expect(body.fields == ["a": "1", "b": "x y z", "c": "", "d": "", "é": "€", "e": "f=g"])
        for bad in ["a=%", "a=%zz", "a=%00", "a=%FF", "a=1&a=2", (0..<200).map { "k\($0)=" }.joined(separator: "&")] {
            #expect(throws: Problem.self) { _ = try FormBody(Data(bad.utf8)) }
        }
        #expect(throws: Problem.self) { _ = try FormBody(Data([0x61, 0x3D, 0xFF])) }
    }
}

@Suite("Cookies")
struct CookieTests {
    @Test(
        "are found by their whole name",
        arguments: [
            ("a=1; b=2", "b", "2"), ("a=1;b=2", "b", "2"), ("b=\"q\"", "b", "q"), ("ab=1; b=2", "b", "2"), ("b=2; b=3", "b", "2"),
            ("b", "b", nil), ("", "b", nil), ("b=", "b", ""), ("a=b=c", "a", "b=c"),
            (Array(repeating: "x=1", count: 70).joined(separator: ";") + ";b=2", "b", nil), ("b\u{301}=2", "b", nil),
        ] as [(String, String, String?)])
    func find(header: String, name: String, value: String?) { #expect(Cookies.value(name, in: header) == value) }

    @Test("are set for pages only: HttpOnly, SameSite, Secure under TLS")
    func set() {
        #expect(SetCookie("a", "b", maxAge: .minutes(2), isSecure: true).text == "a=b; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=120")
        #expect(SetCookie.removal(of: "a", isSecure: false).text == "a=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
    }
}

@Suite("Pages of lists")
struct PagingTests {
    private func house() throws -> House {
        let numbers = { (name: String) in
            Route(
                .get, "/\(name)", name: "p.\(name)", summary: "", access: .session, limit: .unlimited, query: QueryField.paging,
                answers: [RouteAnswer(200, "A page", .page("numbers", of: .integer(0...99)))]
            ) { call in
                let page = try call.page()
                let from = page.after.flatMap { Int64($0) } ?? 0
                let read = Array(from..<50).prefix(page.limit + 1)
                return call.reply(Page(reading: Array(read), limit: page.limit) { String($0 + 1) }, named: "numbers") { .int($0) }
            }
        }
        return try House(more: [numbers("numbers"), numbers("others")])
    }
    private let alice = ["Authorization": "Bearer alice-token"]

    @Test("lead through the whole list, each item once")
    func whole() async throws {
        let house = try house()
        var (seen, cursor, pages): ([Int64], String?, Int) = ([], nil, 0)
        repeat {
            let reply = await house.send("GET", "/numbers?limit=15" + (cursor.map { "&cursor=\($0)" } ?? ""), alice)
            #expect(Schema.page("numbers", of: .integer(0...99)).check(reply.json).isEmpty)
            seen += reply.json["numbers"]?.array?.compactMap(\.int) ?? []
            cursor = reply.json["next_cursor"]?.string
            pages += 1
        } while cursor != nil && pages < 10
        #expect(seen == Array(0..<50) && pages == 4)
        #expect(await house.send("GET", "/numbers", alice).json["numbers"]?.array?.count == 20)
    }

    @Test("a cursor that was forged, or of another list or tenant, is refused")
    func forged() async throws {
        let house = try house()
        let cursor = try #require(await house.send("GET", "/numbers", alice).json["next_cursor"]?.string)
        for bad in [String(cursor.dropLast()), "A" + cursor.dropFirst(), "x", "", String(repeating: "A", count: 2_000), cursor + "="] {
            #expect(await house.send("GET", "/numbers?cursor=\(bad)", alice).status == 422, "\(bad)")
        }
        #expect(
            await house.send("GET", "/others?cursor=\(cursor)", alice).findings == [
                "cursor: must be the next_cursor of an earlier answer of this list"
            ])
        #expect(await house.send("GET", "/numbers?cursor=\(cursor)", ["Authorization": "Bearer bob-token"]).status == 422)
        #expect(await house.send("GET", "/numbers?cursor=\(cursor)", alice).status == 200)
        for limit in ["0", "101", "-1", "x", ""] { #expect(await house.send("GET", "/numbers?limit=\(limit)", alice).status == 422) }
    }
}
