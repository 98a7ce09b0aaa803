import Vocabulary

/// Finds the endpoint of a method and path. A literal segment goes before a `{name}`; a path without names costs one look-up.
struct RouteTrie: Sendable {
    final class Node: Sendable {
        let literals: [String: Node]
        let parameter: Node?
        let place: Place?
        init(literals: [String: Node], parameter: Node?, place: Place?) {
            self.literals = literals
            self.parameter = parameter
            self.place = place
        }
    }
    /// The endpoints of one path, by method.
    final class Place: Sendable {
        let endpoints: [Method: Endpoint]
        /// `GET, HEAD, POST, OPTIONS`
        let allow: String
        let corsMethods: String
        init(_ endpoints: [Method: Endpoint]) {
            self.endpoints = endpoints
            let methods = Method.allCases.filter { endpoints[$0] != nil }
            let names = methods.flatMap { $0 == .get ? ["GET", "HEAD"] : [$0.rawValue] }
            allow = (names + ["OPTIONS"]).joined(separator: ", ")
            corsMethods = methods.map(\.rawValue).joined(separator: ", ")
        }
    }
    private final class Draft {
        var literals: [String: Draft] = [:]
        var parameter: Draft?
        var endpoints: [Method: Endpoint] = [:]
        func frozen() -> Node {
            Node(
                literals: literals.mapValues { $0.frozen() }, parameter: parameter?.frozen(),
                place: endpoints.isEmpty ? nil : Place(endpoints))
        }
    }
    private let root: Node
    private let exact: [String: Place]

    init(_ endpoints: [Endpoint]) throws(EdgeFault) {
        let draft = Draft()
        for endpoint in endpoints {
            for path in [endpoint.route.path] + endpoint.route.aliases {
                guard path.utf8.first == UInt8(ascii: "/") else { throw .route(endpoint.route.name, "\(path) does not begin with a slash") }
                guard path == endpoint.route.path || RouteTrie.names(path) == endpoint.parameterNames else {
                    throw .route(endpoint.route.name, "the alias \(path) names other parameters")
                }
                var node = draft
                for segment in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
                    let next: Draft
                    if segment.hasPrefix("{") {
                        next = node.parameter ?? Draft()
                        node.parameter = next
                    } else {
                        next = node.literals[String(segment)] ?? Draft()
                        node.literals[String(segment)] = next
                    }
                    node = next
                }
                guard node.endpoints.updateValue(endpoint, forKey: endpoint.route.method) == nil else {
                    throw .route(endpoint.route.name, "\(endpoint.route.method.rawValue) \(path) has a route already")
                }
            }
        }
        root = draft.frozen()
        var exact: [String: Place] = [:]
        for endpoint in endpoints {
            for path in [endpoint.route.path] + endpoint.route.aliases where !path.contains("{") {
                exact[path] =
                    RouteTrie.walk(root, path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)[...])?.0
            }
        }
        self.exact = exact
    }

    static func names(_ path: String) -> [String] {
        path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
    }

    /// The place of a path and the values of its names. Nil: there is none. Throws for an escape that is none.
    func find(_ target: Target) throws(Problem) -> (Place, [String])? {
        if !target.isEncoded, let place = exact[String(target.path)] { return (place, []) }
        var segments: [String] = []
        for segment in target.path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            guard let decoded = target.isEncoded ? Percent.decode(segment) : String(segment), segments.count < 32 else {
                throw HTTPProblems.malformedTarget
            }
            segments.append(decoded)
        }
        return Self.walk(root, segments[...])
    }

    private static func walk(_ node: Node, _ segments: ArraySlice<String>) -> (Place, [String])? {
        guard let segment = segments.first else { return node.place.map { ($0, []) } }
        if let next = node.literals[segment], let found = walk(next, segments.dropFirst()) { return found }
        guard let next = node.parameter, !segment.isEmpty, segment.utf8.count <= 512, let (place, values) = walk(next, segments.dropFirst())
        else {
            return nil
        }
        return (place, [segment] + values)
    }
}

/// A table of routes that cannot be served: a mistake of the code, told at start.
package enum EdgeFault: Error, Sendable, CustomStringConvertible {
    case route(String, String)
    case setting(String, String)
    package var description: String {
        switch self {
        case .route(let name, let why): "route \(name): \(why)"
        case .setting(let path, let why): "setting \(path): \(why)"
        }
    }
}
