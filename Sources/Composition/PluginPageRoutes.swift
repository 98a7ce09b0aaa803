import Foundation
import HTTPEdge
import PluginHost
import Vocabulary

/// What plugins show to people, under `/plugins/{plugin}/…`, up to four parts deep.
struct PluginPageRoutes: Sendable {
    let host: PluginHost

    func routes() -> [Route] {
        (1...4).flatMap { depth in [HTTPEdge.Method.get, .post].map { route($0, depth: depth) } }
    }

    private func route(_ method: HTTPEdge.Method, depth: Int) -> Route {
        let parts = (1...depth).map { "{part\($0)}" }.joined(separator: "/")
        return Route(
            method, "/plugins/{plugin}/\(parts)", name: "pages.plugin_\(method.rawValue.lowercased())_\(depth)",
            summary: "A page of a plugin.",
            access: .page,
            answers: [RouteAnswer(200, "The page.", contentType: "text/html; charset=utf-8"), RouteAnswer(303, "On to the next page.")],
            problems: [CommonProblems.notFound],
            // A form may bring a document: the setting http.max_body_bytes bounds it.
            maxBodyBytes: method == .post ? 1_048_576 : 65_536
        ) { call in
            guard let plugin = call.parameters["plugin"], let pages = host.pages(plugin) else { throw CommonProblems.notFound }
            let path = (1...depth).compactMap { call.parameters["part\($0)"] }.joined(separator: "/")
            let form = method == .post ? try call.form().fields : [:]
            let request = PageRequest(
                method: method.rawValue, path: path, query: call.query, form: form.filter { $0.key != CSRF.field },
                formToken: [CSRF.field: call.csrf], language: language(call.header("accept-language")))
            return reply(try await pages.respond(to: request))
        }
    }

    private func reply(_ page: PageResponse) -> Reply {
        var reply = Reply(status: page.status, headers: [("content-type", page.contentType)], body: page.body)
        if page.isPublic { reply.headers.append(("cache-control", "public, max-age=3600")) }
        if let location = page.location { reply.headers.append(("location", location)) }
        return reply
    }

    /// The first tag of the header, if it looks like one.
    private func language(_ header: String?) -> String {
        let tag = header?.split(whereSeparator: { $0 == "," || $0 == ";" }).first.map(String.init) ?? ""
        return tag.utf8.count <= 20 && tag.utf8.allSatisfy({ ($0 | 32 >= 97 && $0 | 32 <= 122) || $0 == 45 }) ? tag : ""
    }
}
