import Foundation
import Synchronization
import Testing
import Vocabulary

@testable import HTTPEdge

@Suite("The description of the routes")
struct DescriptionTests {
    private func document() throws -> JSONValue {
        let odd = Problem("odd", status: 409, title: "Odd", hint: "", fields: ["oddness": 3])
        let routes = [
            Route(
                .post, "/notes/{id}/lines", name: "notes.add", summary: "Adds.", access: .permission(Permission("notes:write", "Writes")),
                request: .named("Line", House.note), query: [QueryField("dry", .boolean, "Only tries")],
                answers: [RouteAnswer(201, "Added", .named("Line", House.note)), RouteAnswer(204, "Nothing to add")], problems: [odd],
                creates: true,
                aliases: ["/old/{id}"]
            ) { _ in Reply(status: 201) },
            Route(.get, "/page", name: "pages.x", summary: "", access: .page, answers: []) { _ in Reply(status: 200) },
        ]
        return OpenAPI.document(routes: kernel().joined(to: routes), title: "T", version: "1")
    }
    private func kernel() -> KernelRoutes {
        KernelRoutes(title: "T", version: "1", checks: [], isDraining: { false }, metrics: { "" }, metricsOpen: false)
    }

    @Test("names parameters, body, answers, problems by status with their codes, headers and who may call")
    func operation() throws {
        let operation = try #require(try document()["paths"]?["/notes/{id}/lines"]?["post"])
        #expect(operation["operationId"] == "notes.add" && operation["security"] == [["bearer": []]])
        #expect(operation["parameters"]?.array?.compactMap { $0["name"]?.string } == ["id", "dry", "Idempotency-Key"])
        #expect(operation["requestBody"]?["content"]?["application/json"]?["schema"]?["$ref"] == "#/components/schemas/Line")
        let responses = try #require(operation["responses"]?.object)
        #expect(
            responses.keys.sorted() == [
                "201", "204", "400", "401", "403", "404", "405", "408", "409", "413", "414", "415", "422", "429", "431", "500", "503",
            ])
        let codes = { (status: String) in
            responses[status]?["content"]?["application/json"]?["schema"]?["allOf"]?.array?.last?["properties"]?["error"]?["enum"]?.array?
                .compactMap(\.string)
        }
        #expect(codes("409") == ["odd"])
        #expect(
            codes("403") == [
                "address_not_allowed", "forbidden", "impersonation_limited", "key_out_of_scope", "policy_denied", "second_factor_required",
            ])
        #expect(codes("422") == ["idempotency_key_reused", "validation_failed"])
        #expect(codes("503") == ["outcome_unknown", "signing_unavailable", "temporarily_unavailable", "timed_out"])
        #expect(responses["429"]?["headers"]?["Retry-After"] != nil && responses["405"]?["headers"]?["Allow"] != nil)
        #expect(responses.values.allSatisfy { $0["headers"]?["X-Request-Id"] != nil })
        #expect(responses["204"]?["content"] == nil)
        #expect(operation["description"]?.string?.contains("Also at /old/{id}.") == true)
    }

    @Test("every object is closed, problems with the members that their literals show, and pages are left out")
    func closed() throws {
        let document = try document()
        #expect(document["paths"]?["/page"] == nil && document["paths"]?["/docs/api"] == nil && document["paths"]?["/health/ready"] != nil)
        #expect(document["components"]?["schemas"]?["Problem"]?["properties"]?["oddness"] != nil)
        var open = 0
        func walk(_ value: JSONValue) {
            if value["type"] == "object", value["properties"] != nil, value["additionalProperties"] != false { open += 1 }
            value.object?.values.forEach(walk)
            value.array?.forEach(walk)
        }
        walk(document)
        #expect(open == 0)
    }

    @Test("every problem that the edge answers fits the schema that it describes")
    func problemsFit() async throws {
        let house = try House()
        let schema = OpenAPI.problemSchema([])
        for reply in [
            await house.post("/open", "{"), await house.post("/open", "{\"a\":1}"), await house.send("PUT", "/open"),
            await house.send("GET", "/nope"),
            await house.send("POST", "/open", body: "x"), await house.send("GET", "/heartbeat"),
            house.edge.refuse(HTTPProblems.malformedMessage),
        ] {
            #expect(reply.status >= 400 && schema.check(reply.json).isEmpty)
        }
    }

    @Test("the page shows every route without a script, and escapes what it shows")
    func page() {
        let route = Route(
            .get, "/x/{id}", name: "x.<b>", summary: "a & <script>alert(1)</script>", access: .open,
            answers: [RouteAnswer(200, "Fine", .object([SchemaField("list", .array(.object([SchemaField("deep", .boolean)]), max: 3))]))],
            problems: [CommonProblems.notFound]
        ) { _ in Reply(status: 200) }
        let page = APIPage.html([route], title: "T", version: "1")
        #expect(!page.contains("<script") && page.contains("&lt;script&gt;") && page.contains("list[].deep") && page.contains("not_found"))
        #expect(page.contains("lang=\"en\"") && !page.contains("style=") && !page.contains("http://") && !page.contains("https://"))
    }
}

@Suite("Routes of the kernel")
struct KernelRouteTests {
    private final class Switches: Sendable {
        let draining = Mutex(false)
        let fault = Mutex<String?>(nil)
        let asked = Mutex(0)
    }
    private func house(_ switches: Switches, metricsOpen: Bool = false) throws -> House {
        let kernel = KernelRoutes(
            title: "T", version: "1",
            checks: [
                HealthCheck("database") {
                    switches.asked.withLock { $0 += 1 }
                    return switches.fault.withLock { $0 }
                }
            ], isDraining: { switches.draining.withLock { $0 } }, metrics: { "up 1\n" }, metricsOpen: metricsOpen)
        return try House(more: kernel.joined(to: []))
    }
    private let local = ["Host": "localhost"]

    @Test("readiness falls with a check and while draining, with the reason to loopback only; liveness stays")
    func health() async throws {
        let switches = Switches()
        let house = try house(switches)
        #expect(await house.send("GET", "/health").text == "{\"checks\":[{\"name\":\"database\",\"ok\":true}],\"status\":\"ready\"}")
        switches.fault.withLock { $0 = "disk full" }
        house.clock.advance(by: .seconds(1))
        let outside = await house.send("GET", "/health/ready")
        #expect(outside.status == 503 && outside.text == "{\"checks\":[{\"name\":\"database\",\"ok\":false}],\"status\":\"not_ready\"}")
        #expect(await house.send("GET", "/health/ready", local, from: "127.0.0.1").json["checks"]?.array?.first?["fault"] == "disk full")
        switches.fault.withLock { $0 = nil }
        house.clock.advance(by: .seconds(1))
        #expect(await house.send("GET", "/health/ready").status == 200)
        switches.draining.withLock { $0 = true }
        #expect(await house.send("GET", "/health/ready").json["status"] == "draining")
        #expect(await house.send("GET", "/health/live").text == "{\"status\":\"alive\"}")
        #expect(house.recorder.answered.allSatisfy { $0.isDocumented })
    }

    @Test("asking often does not make the checks work often")
    func cached() async throws {
        let switches = Switches()
        let house = try house(switches)
        for _ in 0..<100 { _ = await house.send("GET", "/health/ready") }
        #expect(switches.asked.withLock { $0 } == 1)
    }

    @Test("metrics are for operators unless the setting opens them")
    func metrics() async throws {
        let house = try house(Switches())
        #expect(await house.send("GET", "/metrics").status == 401)
        let reply = await house.send("GET", "/metrics", local, from: "127.0.0.1")
        #expect(reply.text == "up 1\n" && reply.header("content-type") == "text/plain; version=0.0.4; charset=utf-8")
        #expect(try await self.house(Switches(), metricsOpen: true).send("GET", "/metrics").status == 200)
    }

    @Test("the description is served and covers the kernel's own routes")
    func openapi() async throws {
        let house = try house(Switches())
        let reply = await house.send("GET", "/openapi.json")
        #expect(
            reply.json["openapi"] == "3.1.0" && reply.json["paths"]?["/metrics"]?["get"] != nil
                && reply.json["paths"]?["/openapi.json"] != nil)
        let page = await house.send("GET", "/docs/api")
        #expect(page.status == 200 && page.text.contains("/health/ready") && page.header("set-cookie") == nil)
        #expect(await house.send("GET", "/docs/api.css").header("content-type") == "text/css; charset=utf-8")
    }
}
