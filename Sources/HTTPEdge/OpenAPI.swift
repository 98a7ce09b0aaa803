import Vocabulary

/// The OpenAPI 3.1 description of a set of routes, made from the routes themselves. Pages are left out; older paths are named.
package enum OpenAPI {
    /// - Parameter hasRegions: whether a request may be taken to another region, and refused on the way.
    package static func document(routes: [Route], title: String, version: String, hasRegions: Bool = false) -> JSONValue {
        var components: [String: JSONValue] = [:]
        components[problemName] = problemSchema(routes.flatMap(\.problems) + (hasRegions ? RegionProblems.all : [])).document(&components)
        var paths: [String: [String: JSONValue]] = [:]
        for route in routes where route.access != .page {
            paths[route.path, default: [:]][route.method.rawValue.lowercased()] = operation(route, hasRegions: hasRegions, &components)
        }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": .string(title), "version": .string(version),
                "description": "Errors are one object: error (a stable code), message, hint, request_id, and what the code says beside.",
            ],
            "servers": [["url": "/"]],
            "paths": .object(paths.mapValues { .object($0) }),
            "components": [
                "schemas": .object(components),
                "securitySchemes": ["bearer": ["type": "http", "scheme": "bearer", "bearerFormat": "JWT"]],
            ],
        ]
    }

    static func operation(_ route: Route, hasRegions: Bool = false, _ components: inout [String: JSONValue]) -> JSONValue {
        var out: [String: JSONValue] = [
            "operationId": .string(route.name), "summary": .string(route.summary), "description": .string(description(route)),
            "tags": [.string(String(route.name.split(separator: ".").first ?? "api"))],
            "responses": .object(responses(route, hasRegions, &components)),
        ]
        if needsToken(route) { out["security"] = [["bearer": []]] }
        if route.access == .operatorOnly { out["security"] = [[:], ["bearer": []]] }
        let parameters = parameters(route, &components)
        if !parameters.isEmpty { out["parameters"] = .array(parameters) }
        if let request = route.request {
            out["requestBody"] = [
                "required": .bool(!request.acceptsNothing), "content": ["application/json": ["schema": request.document(&components)]],
            ]
        }
        return .object(out)
    }

    /// Who may call, under which limit, and where else it answers: one sentence each.
    static func description(_ route: Route) -> String {
        var parts: [String]
        switch route.access {
        case .open: parts = ["Anyone may call."]
        case .proof: parts = [route.admits == nil ? "The body proves the caller." : "The signed address proves the caller."]
        case .session: parts = ["Any signed-in user may call."]
        case .permission(let permission): parts = ["Needs the permission \(permission.name)."]
        case .lease: parts = ["The holder of the lease may call."]
        case .page: parts = ["A page for browsers."]
        case .operatorOnly: parts = ["Loopback or a platform administrator may call."]
        }
        if route.limit != .unlimited { parts.append("Limit: \(route.limit.rawValue).") }
        if route.asksForFactor, route.needsRecentFactor { parts.append("Asks for a recent second factor.") }
        if route.creates { parts.append("Repeating it with the same Idempotency-Key answers the first result again.") }
        if !route.aliases.isEmpty { parts.append("Also at \(route.aliases.joined(separator: ", ")).") }
        return parts.joined(separator: " ")
    }

    private static func needsToken(_ route: Route) -> Bool {
        switch route.access {
        case .session, .permission, .lease: true
        case .open, .proof, .page, .operatorOnly: false
        }
    }

    private static func parameters(_ route: Route, _ components: inout [String: JSONValue]) -> [JSONValue] {
        var found: [JSONValue] = []
        for name in RouteTrie.names(route.path) {
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

    /// Answers by status, and every problem that the route or the edge can answer, by status with its codes.
    private static func responses(_ route: Route, _ hasRegions: Bool, _ components: inout [String: JSONValue]) -> [String: JSONValue] {
        struct Entry {
            var summaries: [String] = []
            var content: [String: [JSONValue]] = [:]
            var isProblem = false
        }
        var entries: [Int: Entry] = [:]
        for answer in route.answers {
            entries[answer.status, default: Entry()].summaries.append(answer.summary)
            guard answer.status != 204 else { continue }
            let schema = answer.schema?.document(&components) ?? (answer.contentType == "application/json" ? [:] : ["type": "string"])
            entries[answer.status, default: Entry()].content[answer.contentType, default: []].append(schema)
        }
        for (status, problems) in Dictionary(grouping: possible(route, hasRegions: hasRegions), by: \.status) {
            let codes = Set(problems.map(\.code)).sorted()
            entries[status, default: Entry()].isProblem = true
            entries[status, default: Entry()].summaries.append(codes.joined(separator: ", "))
            entries[status, default: Entry()].content["application/json", default: []].append([
                "allOf": [
                    ["$ref": .string("#/components/schemas/\(problemName)")],
                    ["properties": ["error": ["enum": .array(codes.map { .string($0) })]]],
                ]
            ])
        }
        var out: [String: JSONValue] = [:]
        for (status, entry) in entries {
            var response: [String: JSONValue] = [
                "description": .string(entry.summaries.joined(separator: " ")),
                "headers": .object(headers(status, isProblem: entry.isProblem)),
            ]
            if !entry.content.isEmpty {
                response["content"] = .object(entry.content.mapValues { ["schema": $0.count == 1 ? $0[0] : ["anyOf": .array($0)]] })
            }
            out[String(status)] = .object(response)
        }
        return out
    }

    private static func headers(_ status: Int, isProblem: Bool) -> [String: JSONValue] {
        var headers: [String: JSONValue] = [
            "X-Request-Id": ["required": true, "description": "Joins answer, log and journal.", "schema": ["type": "string"]]
        ]
        guard isProblem else { return headers }
        switch status {
        case 401: headers["WWW-Authenticate"] = ["required": true, "schema": ["type": "string"]]
        case 405: headers["Allow"] = ["required": true, "schema": ["type": "string"]]
        case 429, 503:
            headers["Retry-After"] = ["description": "Seconds, where known.", "schema": ["type": "integer", "minimum": 0]]
        default: break
        }
        return headers
    }

    // MARK: Problems

    private static let problemName = "Problem"

    /// The members that problems add to their answers, beside those that a problem's own literal shows.
    private static let problemMembers: [SchemaField] = [
        SchemaField(
            "fields",
            .array(
                .object([SchemaField("field", .string(max: 1_000)), SchemaField("rule", .string(max: 1_000), optional: true)]), max: 200),
            "every invalid field", optional: true),
        SchemaField("reason", .string(max: 1_000), "the policy's reason, or what exactly was malformed", optional: true),
        SchemaField("retry_after", .integer(0...31_536_000), "seconds", optional: true),
        SchemaField("accepted", .array(.string(max: 200), max: 100), "what would be accepted", optional: true),
        SchemaField("position", .integer(0...Int64.max), "byte of the body", optional: true),
        SchemaField("limit_bytes", .integer(0...Int64.max), optional: true),
        SchemaField("limit", .integer(0...Int64.max), optional: true),
        SchemaField("seats_used", .integer(0...Int64.max), optional: true),
        SchemaField("seats_total", .integer(0...Int64.max), optional: true),
        SchemaField("epoch", .integer(0...Int64.max), optional: true),
        SchemaField("activations", .integer(0...Int64.max), optional: true),
        SchemaField("max_activations", .integer(0...Int64.max), optional: true),
        SchemaField("max_quantity", .integer(0...Int64.max), optional: true),
        SchemaField("contact_url", .string(max: 2_000), optional: true),
        SchemaField("provider_code", .string(max: 200), optional: true),
    ]

    /// What a problem's answer looks like (SPEC 10): the fixed members, and what some problems add. Closed: a problem that adds a
    /// member shows it, with an example, in its literal's `fields`.
    static func problemSchema(_ problems: [Problem]) -> Schema {
        let shown = problems.reduce(into: [String: Schema]()) { found, problem in
            for (name, value) in problem.fields { found[name] = schema(like: value) }
        }
        let known = Set(problemMembers.map(\.name))
        let own = shown.filter { !known.contains($0.key) }.sorted { $0.key < $1.key }.map { SchemaField($0.key, $0.value, optional: true) }
        return .object(
            [
                SchemaField("error", .string(min: 1, max: 100), "stable machine code"),
                SchemaField("message", .string(max: 1_000), "for a person"),
                SchemaField("hint", .string(max: 1_000), "what to do next"), SchemaField("request_id", .string(max: 128), "for support"),
            ] + problemMembers + own)
    }
    private static func schema(like value: JSONValue) -> Schema {
        switch value {
        case .int: .integer(Int64.min...Int64.max)
        case .bool: .boolean
        case .string: .string(max: 10_000)
        default: .any
        }
    }
    /// True if the schema of `problem`'s answer names everything that it carries.
    static func describes(_ problem: Problem, of route: Route?) -> Bool {
        let shown = ((route?.problems ?? []) + RegionProblems.all).first { $0.code == problem.code }?.fields ?? [:]
        return problem.fields.keys.allSatisfy { name in shown[name] != nil || problemMembers.contains { $0.name == name } }
    }

    /// Every problem that a caller of this route can meet: its own, and those that the edge raises before and after it.
    package static func possible(_ route: Route, hasRegions: Bool = false) -> [Problem] {
        var all =
            route.problems + [
                CommonProblems.internal, CommonProblems.unavailable, CommonProblems.outcomeUnknown, CommonProblems.signingUnavailable,
                HTTPProblems.timedOut,
                HTTPProblems.malformedTarget,
                HTTPProblems.malformedHost,
                HTTPProblems.malformedHeader, HTTPProblems.malformedMessage, HTTPProblems.methodNotAllowed, HTTPProblems.requestTimeout,
                HTTPProblems.targetTooLong, HTTPProblems.headersTooLarge,
            ]
        switch route.access {
        case .session: all += [CommonProblems.unauthenticated, CommonProblems.keyOutOfScope, CommonProblems.impersonationLimited]
        case .permission, .lease:
            all += [CommonProblems.unauthenticated, CommonProblems.forbidden, CommonProblems.policyDenied]
            all += [CommonProblems.keyOutOfScope, CommonProblems.impersonationLimited]
        case .operatorOnly: all += [CommonProblems.unauthenticated, CommonProblems.forbidden, HTTPProblems.csrfFailed]
        case .open, .proof: break
        case .page: all += [HTTPProblems.csrfFailed, HTTPProblems.malformedForm]
        }
        if route.asksForFactor, !route.proof.isFromAnywhere { all += [CommonProblems.addressNotAllowed] }
        if route.asksForFactor, !route.proof.isForEnrolment { all += [CommonProblems.enrolmentRequired] }
        if route.asksForFactor, route.needsRecentFactor { all += [CommonProblems.stepUpRequired] }
        if route.method != .get {
            all += [HTTPProblems.bodyTooLarge]
            let isRaw = route.request == nil && (route.access == .open || route.access == .proof)
            if !isRaw { all += [HTTPProblems.unsupportedMediaType, CommonProblems.malformed] }
        }
        if route.path.contains("{") { all += [CommonProblems.notFound] }
        if route.access != .page { all += [CommonProblems.invalid] }
        if route.creates { all += [CommonProblems.idempotencyKeyReused, HTTPProblems.malformedIdempotencyKey] }
        if route.limit != .unlimited { all += [CommonProblems.rateLimited] }
        return hasRegions ? all + RegionProblems.of(route) : all
    }
}
