import Vocabulary

/// The OpenAPI 3.1 description of a set of routes, made from the routes themselves. Pages and older paths are left out.
package enum OpenAPI {
    package static func document(routes: [Route], title: String, version: String) -> JSONValue {
        var components: [String: JSONValue] = [:]
        var paths: [String: [String: JSONValue]] = [:]
        for route in routes where route.access != .page {
            paths[route.path, default: [:]][route.method.rawValue.lowercased()] = operation(route, &components)
        }
        return [
            "openapi": "3.1.0",
            "info": ["title": .string(title), "version": .string(version)],
            "servers": [["url": "/"]],
            "paths": .object(paths.mapValues { .object($0) }),
            "components": [
                "schemas": .object(components),
                "securitySchemes": ["bearer": ["type": "http", "scheme": "bearer", "bearerFormat": "JWT"]],
            ],
        ]
    }

    static func operation(_ route: Route, _ components: inout [String: JSONValue]) -> JSONValue {
        var out: [String: JSONValue] = [
            "operationId": .string(route.name), "summary": .string(route.summary),
            "tags": [.string(String(route.name.split(separator: ".").first ?? "api"))],
            "responses": .object(responses(route, &components)),
        ]
        if needsToken(route) { out["security"] = [["bearer": []]] }
        let parameters = parameters(route, &components)
        if !parameters.isEmpty { out["parameters"] = .array(parameters) }
        if let request = route.request {
            out["requestBody"] = ["required": true, "content": ["application/json": ["schema": request.document(&components)]]]
        }
        return .object(out)
    }

    private static func needsToken(_ route: Route) -> Bool {
        switch route.access {
        case .session, .permission, .lease: true
        case .open, .proof, .page, .operatorOnly: false
        }
    }

    private static func parameters(_ route: Route, _ components: inout [String: JSONValue]) -> [JSONValue] {
        var found: [JSONValue] = []
        for part in route.path.split(separator: "/") where part.hasPrefix("{") {
            let name = String(part.dropFirst().dropLast())
            let schema: JSONValue =
                name.hasSuffix("id") ? ["type": "string", "format": "uuid"] : ["type": "string", "minLength": 1, "maxLength": 200]
            found.append(["name": .string(name), "in": "path", "required": true, "schema": schema])
        }
        for field in route.query {
            found.append([
                "name": .string(field.name), "in": "query", "required": false, "description": .string(field.summary),
                "schema": field.schema.document(&components),
            ])
        }
        if route.creates {
            found.append([
                "name": "Idempotency-Key", "in": "header", "required": false,
                "description": "The same key with the same request answers the first result again.",
                "schema": ["type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"],
            ])
        }
        return found
    }

    /// Answers by status, then every problem that the route or the edge can answer, by status with its codes.
    private static func responses(_ route: Route, _ components: inout [String: JSONValue]) -> [String: JSONValue] {
        var out: [String: JSONValue] = [:]
        let requestID: JSONValue = ["X-Request-Id": ["description": "Joins answer, log and journal.", "schema": ["type": "string"]]]
        for answer in route.answers {
            var entry: [String: JSONValue] = ["description": .string(answer.summary), "headers": requestID]
            if answer.status != 204 {
                var content: [String: JSONValue] = [:]
                if let schema = answer.schema { content["schema"] = schema.document(&components) }
                entry["content"] = .object([answer.contentType: .object(content)])
            }
            out[String(answer.status)] = .object(entry)
        }
        for (status, problems) in Dictionary(grouping: possible(route), by: \.status) where out[String(status)] == nil {
            let codes = Set(problems.map(\.code)).sorted()
            var headers: [String: JSONValue] = ["X-Request-Id": ["schema": ["type": "string"]]]
            if status == 429 || status == 503 {
                headers["Retry-After"] = ["required": false, "schema": ["type": "integer", "minimum": 0]]
            }
            out[String(status)] = [
                "description": .string(codes.joined(separator: ", ")), "headers": .object(headers),
                "content": ["application/json": ["schema": problemSchema(codes).document(&components)]],
            ]
        }
        return out
    }

    /// What a problem's answer looks like (SPEC 10): the fixed members, and what some problems add.
    static func problemSchema(_ codes: [String]) -> Schema {
        .object([
            SchemaField("error", .choice(codes), "stable machine code"), SchemaField("message", .string(max: 500), "for a person"),
            SchemaField("hint", .string(max: 500), "what to do next", optional: true),
            SchemaField("request_id", .string(max: 100), "for support"),
            SchemaField(
                "fields",
                .array(.object([SchemaField("field", .string(max: 300)), SchemaField("rule", .string(max: 500))]), max: 100),
                "every invalid field", optional: true),
            SchemaField("reason", .string(max: 300), "the policy's reason", optional: true),
            SchemaField("retry_after", .integer(0...31_536_000), "seconds", optional: true),
            SchemaField("seats_used", .integer(0...10_000_000), optional: true),
            SchemaField("seats_total", .integer(0...10_000_000), optional: true),
            SchemaField("epoch", .integer(0...Int64.max), optional: true), SchemaField("limit", .integer(0...10_000_000), optional: true),
            SchemaField("accepted", .array(.string(max: 200), max: 100), "what would be accepted", optional: true),
        ])
    }

    /// Every problem that a caller of this route can meet: its own, and those that the edge raises before and after it.
    package static func possible(_ route: Route) -> [Problem] {
        var all = route.problems + [CommonProblems.internal, CommonProblems.unavailable, CommonProblems.malformed]
        if needsToken(route) { all += [CommonProblems.unauthenticated] }
        switch route.access {
        case .permission, .lease: all += [CommonProblems.forbidden, CommonProblems.policyDenied]
        case .operatorOnly: all += [CommonProblems.forbidden, CommonProblems.unauthenticated]
        default: break
        }
        if route.path.contains("{") { all += [CommonProblems.notFound] }
        if route.request != nil || !route.query.isEmpty || route.creates { all += [CommonProblems.invalid] }
        if route.creates { all += [CommonProblems.idempotencyKeyReused] }
        if route.limit != .unlimited { all += [CommonProblems.rateLimited] }
        return all
    }
}
