import Foundation
import HTTPEdge
import Signing
import Tenancy
import Vocabulary

/// What providers are sent and send by a form, and what we publish about ourselves.
///
/// A browser that another site makes post to us sends no cookie that is `SameSite=Lax`, and the cookie of a flow is. The answer is then shown to the browser
/// as a form of our own that posts it once more (decision 16): this time the browser is on our own page, and the cookie comes along.
extension Federation {
    var postedRoutes: [Route] {
        let page = [
            RouteAnswer(200, "A page that posts the answer once more, from our own site.", contentType: "text/html; charset=utf-8"),
            RouteAnswer(303, "On to the platform's pages."),
        ]
        let document = [RouteAnswer(200, "The document.", contentType: "application/samlmetadata+xml")]
        let unpublished = [CommonProblems.notFound, FederationProblems.unavailable]
        return [
            Route(
                .post, "/api/v1/auth/oauth/{provider}/callback", name: "auth.oauth_posted", summary: "The same by a form.", access: .page,
                answers: page, problems: Self.arrivalProblems, maxBodyBytes: Self.maxPostedBytes, takesForeignForms: true
            ) { call in try await posted(call.parameters["provider"] ?? "", call) },
            Route(
                .post, "/api/v1/auth/sso/{connection}/callback", name: "auth.sso_posted", summary: "The same by a form.", access: .page,
                answers: page, problems: Self.arrivalProblems, maxBodyBytes: Self.maxPostedBytes, takesForeignForms: true
            ) { call in
                let id: ConnectionID = try call.id("connection")
                return try await posted(id.description, call)
            },
            Route(
                .get, "/api/v1/auth/oauth/{provider}/metadata", name: "auth.oauth_metadata",
                summary: "What that provider is to know of us.",
                access: .open, answers: document, problems: unpublished
            ) { call in try await published(try target(offered: call.parameters["provider"] ?? ""), call.act) },
            Route(
                .get, "/api/v1/auth/sso/{connection}/metadata", name: "auth.sso_metadata",
                summary: "What a tenant's own provider is to know of us; also while the connection is a draft.", access: .open,
                answers: document,
                problems: unpublished
            ) { call in try await published(try target(of: try await connection(call.id("connection"))), call.act) },
        ]
    }

    /// One signed and encrypted answer of the largest size, percent-encoded.
    static let maxPostedBytes = 400_000
    /// In the form that we made ourselves: it goes round once.
    private static let again = "coditect_again"

    private func posted(_ place: String, _ call: Call) async throws -> Reply {
        var fields = try call.form().fields
        let isAgain = fields.removeValue(forKey: Self.again) != nil
        guard fields.count <= IdentityLimits.maxParameters, fields.values.allSatisfy({ $0.utf8.count <= IdentityLimits.maxFieldBytes })
        else {
            throw FederationProblems.refused
        }
        if !isAgain, call.cookie(Self.flowCookie(isSecure: call.isSecure)) == nil {
            return PostingPage.reply(to: call.path, fields.merging([Self.again: "1"]) { $1 }, formAction: "'self'")
        }
        return try await arrive(place, call, parameters: fields, method: "POST")
    }

    private func published(_ target: Target, _ act: Act) async throws -> Reply {
        do {
            let document = try await provider(target).document(target.connection, redirectAddress: redirectAddress(target))
            return Reply(status: 200, headers: [("content-type", document.mediaType)], body: Data(document.text.utf8))
        } catch IdentityProviderError.notSupported {
            throw CommonProblems.notFound
        } catch let error as IdentityProviderError {
            note("A document could not be published.", "\(error)", target.plugin, target.connection.id, act)
            throw FederationProblems.unavailable
        }
    }
}

extension Federation.Departure {
    /// Sends the browser away: by its address, or by a form that posts itself there. The flow's cookie goes along.
    package func reply(_ call: Call) -> Reply {
        guard !form.isEmpty else { return .redirect(to: address).setting(Federation.flowCookie(self, call)) }
        // A browser holds a form's redirects to this rule too, and a provider may send on to a sign-in page elsewhere. Nothing of the person's is in the form.
        let origin = WebOrigin(address, allowingQuery: true)?.description ?? "'none'"
        return PostingPage.reply(to: address, form, formAction: "\(origin) https:").setting(Federation.flowCookie(self, call))
    }
}

/// A form that a browser posts by itself; without scripts by a button.
enum PostingPage {
    private static let script = "document.forms[0].submit()"
    private static let scriptSource = "'sha256-\(Data(Digest.sha256(Array(script.utf8))).base64EncodedString())'"

    static func reply(to address: String, _ fields: [String: String], formAction: String) -> Reply {
        let hidden = fields.sorted { $0.key < $1.key }.map {
            "<input type=\"hidden\" name=\"\(escaped($0.key))\" value=\"\(escaped($0.value))\">"
        }
        let text = """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\
            <meta name="color-scheme" content="light dark"><title>One moment</title></head>
            <body><main><h1>One moment</h1><p>You are being signed in. If nothing happens, go on by the button.</p>
            <form method="post" action="\(escaped(address))">\(hidden.joined())<button type="submit">Continue</button></form></main>
            <script>\(script)</script></body></html>

            """
        let policy =
            "default-src 'none'; script-src \(scriptSource); form-action \(formAction); base-uri 'none'; frame-ancestors 'none'"
        return Reply(
            status: 200, headers: [("content-type", "text/html; charset=utf-8"), ("content-security-policy", policy)], body: Data(text.utf8)
        )
    }

    /// For text and quoted attributes; a line end in an attribute stays one.
    private static func escaped(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": out += "&amp;"
            case "<": out += "&lt;"
            case ">": out += "&gt;"
            case "\"": out += "&quot;"
            case "'", "\r", "\n": out += "&#\(scalar.value);"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
