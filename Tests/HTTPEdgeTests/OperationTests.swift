import Foundation
import Testing
import Vocabulary

@testable import HTTPEdge

@Suite("Operations as pages ask them")
struct OperationTests {
    private static let manage = Permission("things:manage", "Manage things.")
    private static let grave = Permission("things:end", "End things.", isSensitive: true)
    private let seen = House.Seen()

    private var operations: Operations {
        let seen = seen
        func route(
            _ method: HTTPEdge.Method, _ path: String, _ name: String, _ access: RouteAccess, request: Schema? = nil,
            query: [QueryField] = []
        ) -> Route {
            Route(
                method, path, name: name, summary: name, access: access, request: request, query: query,
                answers: [RouteAnswer(200, "Done", .any)]
            ) { call in
                seen.add(call)
                return method == .delete ? Reply(status: 204) : .json(value: ["path": .string(call.path)])
            }
        }
        return Operations(
            [
                route(.get, "/things/{id}", "things.get", .permission(Self.manage), query: QueryField.paging),
                route(.post, "/things", "things.make", .permission(Self.manage), request: House.note),
                route(.delete, "/things/{id}", "things.end", .permission(Self.grave)),
                route(.get, "/mine", "mine.get", .session), route(.post, "/mine", "mine.set", .session),
                route(.get, "/page", "page", .page), route(.post, "/lease", "lease", .lease),
            ], authorizer: OwnersOnly())
    }

    private func call(_ principal: Principal?) -> Call {
        Call(
            act: Act(actor: .anonymous, requestID: "r", now: moment), method: .get, path: "/", parameters: [:], query: [:], headers: [:],
            body: Data(), principal: principal, tokenID: nil, origin: "http://app.example.com", isLoopback: false)
    }
    private func bounded(_ change: (inout Principal.Bounds) -> Void) -> Principal {
        let alice = People.alice
        var bounds = alice.bounds
        change(&bounds)
        return Principal(
            user: alice.user, tenant: alice.tenant, membership: alice.membership, session: alice.session, role: alice.role, bounds: bounds)
    }
    private func code(_ name: String, _ principal: Principal?, query: [String: String] = [:], body: JSONValue = [:]) async throws -> String
    {
        do {
            return "\(try await operations.ask(name, call(principal), ["id": "a"], query: query, body: body).status)"
        } catch let problem as Problem { return problem.code }
    }

    @Test("the permission, the query and the body are checked as the edge checks them, before the handler sees anything")
    func checked() async throws {
        #expect(try await code("things.get", nil) == "unauthenticated")
        #expect(try await code("things.get", People.bob) == "forbidden")
        for query in [["limit": "0"], ["limit": "x"], ["other": "1"]] {
            #expect(try await code("things.get", People.alice, query: query) == "validation_failed", "\(query)")
        }
        let bodies: [JSONValue] = [[:], ["text": ""], ["text": "a", "count": 10], ["text": "a", "other": 1], ["text": 5]]
        for body in bodies { #expect(try await code("things.make", People.alice, body: body) == "validation_failed", "\(body)") }
        #expect(seen.count == 0)
        #expect(try await code("things.make", People.alice, body: ["text": "a"]) == "200")
        #expect(seen.last?.json == ["text": "a"] && seen.last?.principal == People.alice)
        #expect(try await operations.answer("things.get", call(People.alice), ["id": "7"], query: ["limit": "5"]) == ["path": "/things/7"])
        #expect(try await operations.answer("things.end", call(People.alice), ["id": "7"]) == .null)
        #expect(try await operations.may("things.get", call(People.alice)) == true)
        #expect(try await operations.may("things.get", call(People.bob)) == false)
    }

    @Test("a sensitive operation asks for a recent factor, whoever acts in a member's place only looks at what is the person's own")
    func bounds() async throws {
        let stale = bounded { $0.proof = .stale }
        #expect(try await code("things.end", stale) == "step_up_required" && seen.count == 0)
        #expect(try await code("things.get", stale) == "200")
        let staff = bounded { $0.delegation = .impersonation(by: People.admin.user) }
        #expect(try await code("mine.get", staff) == "200")
        #expect(try await code("mine.set", staff) == CommonProblems.impersonationLimited.code)
        #expect(try await code("mine.set", People.alice) == "200")
    }

    @Test("a page asks neither pages nor what a lease proves, and nothing that there is not")
    func unknown() async throws {
        for name in ["page", "lease", "nothing"] {
            await #expect(throws: Operations.Unknown.self, "\(name)") { try await operations.ask(name, call(People.alice)) }
        }
    }
}

@Suite("Forms that bring a file")
struct MultipartTests {
    private func read(_ text: String, _ type: String = "multipart/form-data; boundary=b") throws -> MultipartForm {
        try MultipartForm(Data(text.utf8), contentType: type)
    }
    private let good =
        "--b\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\ntöken\r\n"
        + "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a%22b.txt\"\r\nContent-Type: text/plain\r\n\r\none\r\n--\r\n-b\r\n\r\n--b--\r\n"

    @Test("fields and files are read to the byte, whatever stands in them")
    func parts() throws {
        let form = try read(good)
        #expect(form.text("t") == "töken" && form.text("f") == nil && form.text("x") == nil)
        let file = try #require(form["f"])
        #expect(file.fileName == "a\"b.txt" && file.contentType == "text/plain")
        #expect(String(decoding: file.content, as: UTF8.self) == "one\r\n--\r\n-b\r\n")
        #expect(try read(good, "Multipart/Form-Data; charset=utf-8; boundary=\"b\"").text("t") == "töken")
        #expect(try read("--b--\r\n").text("t") == nil)
        let empty = try read("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n--b--")
        #expect(empty["f"]?.content.isEmpty == true && empty["f"]?.fileName == "")
    }

    @Test("what is broken, too much or twice is refused as a whole")
    func refused() {
        let part = "--b\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nx\r\n"
        let many = (0..<17).map { "--b\r\nContent-Disposition: form-data; name=\"t\($0)\"\r\n\r\nx\r\n" }.joined() + "--b--"
        let head = "--b\r\nContent-Disposition: form-data; name=\"t\"\r\nX: \(String(repeating: "x", count: 2_100))\r\n\r\nx\r\n--b--"
        for text in [
            "", "x", "--b", "--b\r\n", part, part + part + "--b--", "x\r\n" + part + "--b--", many, head, "--b\r\n\r\nx\r\n--b--",
            "--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--",
            "--b\r\nContent-Disposition: attachment; name=\"t\"\r\n\r\nx\r\n--b--",
            "--b\r\nno colon\r\n\r\nx\r\n--b--", "--bx\r\n--b--", "--b\r\n--b--",
        ] {
            #expect(throws: Problem.self, "\(text.prefix(60))") { try read(text) }
        }
        for type in [
            "", "multipart/form-data", "multipart/mixed; boundary=b", "multipart/form-data; boundary=", "text/plain; boundary=b",
            "multipart/form-data; boundary=\(String(repeating: "b", count: 71))",
        ] {
            #expect(throws: Problem.self, "\(type)") { try read(good, type) }
        }
    }
}
