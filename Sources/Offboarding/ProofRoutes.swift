import Foundation
import HTTPEdge
import Signing
import Vocabulary

extension Offboarding {
    func proofRoutes() -> [Route] {
        let token = QueryField("token", .string(min: 1, max: 100), "Of the mailed link")
        return [
            Route(
                .get, "\(Self.path)/proof", name: "offboarding.proof",
                summary: "What the mailed link shows, also to those whose account is gone: how far it is, and the certificate.",
                access: .proof, query: [token], answers: Self.shown, problems: [OffboardingProblems.linkOver]
            ) { call in .json(value: Self.json(try await leaving(link: call.query["token"] ?? "", now: call.act.now))) },
            Route(
                .get, "\(Self.path)/proof/page", name: "offboarding.proof_page",
                summary: "The same as a page for people: each step, what remains and why, and the certificate to be saved.", access: .proof,
                query: [token], answers: [RouteAnswer(200, "The page", contentType: "text/html; charset=utf-8")],
                problems: [OffboardingProblems.linkOver]
            ) { call in
                let link = call.query["token"] ?? ""
                return ProofPage(progress: try await leaving(link: link, now: call.act.now), link: link).reply
            },
        ]
    }
}

/// How a tenant left, for people. Nothing is loaded from anywhere and nothing runs in it.
struct ProofPage {
    let progress: Offboarding.Progress
    /// Was checked to be a link of ours.
    let link: String

    private static let style = """
        :root{color-scheme:light dark}body{font:16px/1.55 system-ui,sans-serif;margin:0 auto;max-width:46rem;padding:2rem 1rem}\
        table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem .4rem 0;border-bottom:1px solid #8885}\
        pre{white-space:pre-wrap;overflow-wrap:anywhere;font:13px/1.5 ui-monospace,monospace}
        """
    private static let policy =
        "default-src 'none'; style-src 'sha256-\(Data(Digest.sha256(Array(style.utf8))).base64EncodedString())'; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'"

    private static func escape(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;").replacing("\"", with: "&quot;")
    }
    private static func row(_ cells: [String]) -> String { "<tr>" + cells.map { "<td>\(escape($0))</td>" }.joined() + "</tr>" }
    private static func time(_ moment: Timestamp?) -> String { moment.map { $0.iso8601 } ?? "not yet" }

    private var title: String {
        switch progress.offboarding.state {
        case .purged: "Your organisation is deleted"
        case .withdrawn, .reactivated: "Your organisation stays"
        default: "Your organisation is leaving"
        }
    }

    private var certificate: String {
        guard let certificate = progress.offboarding.certificate else { return "" }
        let lines = [
            "key_id: \(certificate.keyID)", "signature: \(Base64URL.encode(certificate.signature))",
            "signed after: coditect:deletion-certificate.v1\\0",
            certificate.document,
        ]
        return """
            <h2>The certificate</h2><p>It is signed: whoever has the platform's public keys (<a href="/.well-known/coditect/license-keys.json">\
            license-keys.json</a>) can check it. <a download="certificate-of-deletion.json" href="\(Offboarding.path)/proof?token=\(Self.escape(link))">\
            Save it</a>.</p><pre tabindex="0">\(Self.escape(lines.joined(separator: "\n")))</pre>
            """
    }

    private var remains: String {
        let all = progress.steps.flatMap(\.remainders)
        guard !all.isEmpty else { return "" }
        let rows = all.map { Self.row([$0.what, $0.why, $0.until.map { $0.iso8601 } ?? "without end"]) }.joined(separator: "\n")
        return "<h2>What remains, and why</h2><table><tr><th>What</th><th>Why</th><th>Until</th></tr>\n\(rows)</table>"
    }

    var reply: Reply {
        let steps = progress.steps.map { Self.row([$0.phase.rawValue, $0.name, Self.time($0.doneAt)]) }.joined(separator: "\n")
        let until = progress.offboarding.state == .retained ? progress.offboarding.retainedUntil : nil
        let text = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\
            <title>\(title)</title><style>\(Self.style)</style></head>
            <body><main><h1>\(title)</h1>
            <p>Asked for at \(Self.time(progress.offboarding.askedAt)).\(until.map { " Everything is kept until \($0.iso8601)." } ?? "")</p>
            <h2>What was done</h2><table><tr><th>Part</th><th>Step</th><th>Done</th></tr>
            \(steps)</table>
            \(remains)
            \(certificate)
            </main></body></html>

            """
        var page = Reply.html(text)
        page.headers += [("content-security-policy", Self.policy), ("referrer-policy", "no-referrer")]
        return page
    }
}
