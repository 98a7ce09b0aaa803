import Vocabulary

/// The headers that the edge looks at, found in one pass.
struct Incoming: Sendable {
    private(set) var host: String?
    private(set) var authorization: String?
    private(set) var cookie: String?
    private(set) var contentType: String?
    private(set) var origin: String?
    private(set) var referer: String?
    private(set) var forwardedFor: String?
    private(set) var forwardedProto: String?
    private(set) var forwardedHost: String?
    /// `Forwarded`, `Via` or `X-Real-IP` is there.
    private(set) var isForwarded = false
    private(set) var idempotencyKey: String?
    private(set) var fetchSite: String?
    private(set) var accept: String?
    private(set) var corsMethod: String?
    private(set) var csrfToken: String?
    private(set) var requestID: String?

    init(_ headers: HeaderFields) throws(Problem) {
        for (name, value) in headers.fields {
            // The length tells almost all of them apart.
            switch name.utf8.count {
            case 3 where HeaderFields.isSame(name, "via"): isForwarded = true
            case 4 where HeaderFields.isSame(name, "host"):
                guard host == nil else { throw HTTPProblems.malformedHost }
                host = value
            case 6:
                if HeaderFields.isSame(name, "cookie") { cookie = cookie.map { $0 + "; " + value } ?? value }
                if HeaderFields.isSame(name, "origin") { try once(&origin, value, "Origin") }
                if HeaderFields.isSame(name, "accept") { accept = accept.map { $0 + ", " + value } ?? value }
            case 7 where HeaderFields.isSame(name, "referer"): try once(&referer, value, "Referer")
            case 9:
                if HeaderFields.isSame(name, "forwarded") || HeaderFields.isSame(name, "x-real-ip") { isForwarded = true }
            case 12:
                if HeaderFields.isSame(name, "content-type") { try once(&contentType, value, "Content-Type") }
                if HeaderFields.isSame(name, "x-request-id") { requestID = value }
                if HeaderFields.isSame(name, "x-csrf-token") { try once(&csrfToken, value, "X-CSRF-Token") }
            case 13 where HeaderFields.isSame(name, "authorization"): try once(&authorization, value, "Authorization")
            case 14 where HeaderFields.isSame(name, "sec-fetch-site"): try once(&fetchSite, value, "Sec-Fetch-Site")
            case 15:
                if HeaderFields.isSame(name, "idempotency-key") { try once(&idempotencyKey, value, "Idempotency-Key") }
                if HeaderFields.isSame(name, "x-forwarded-for") { forwardedFor = forwardedFor.map { $0 + "," + value } ?? value }
            case 16 where HeaderFields.isSame(name, "x-forwarded-host"): forwardedHost = forwardedHost.map { $0 + "," + value } ?? value
            case 17 where HeaderFields.isSame(name, "x-forwarded-proto"): forwardedProto = forwardedProto.map { $0 + "," + value } ?? value
            case 29 where HeaderFields.isSame(name, "access-control-request-method"):
                try once(&corsMethod, value, "Access-Control-Request-Method")
            default: break
            }
        }
    }
    private func once(_ place: inout String?, _ value: String, _ name: String) throws(Problem) {
        guard place == nil else { throw HTTPProblems.malformedHeader.with(["reason": .string("\(name) stands twice")]) }
        place = value
    }

    /// The token of `Authorization: Bearer …`; nil for another scheme or an impossible token.
    var bearer: String? {
        guard var text = authorization else { return nil }
        return text.withUTF8 { text in
            let mark: StaticString = "bearer "
            guard text.count <= 8_192, text.count > mark.utf8CodeUnitCount else { return nil }
            for index in 0..<mark.utf8CodeUnitCount {
                let (sign, wanted) = (text[index], mark.utf8Start[index])
                guard sign == wanted || (wanted != 0x20 && sign | 0x20 == wanted) else { return nil }
            }
            var start = mark.utf8CodeUnitCount
            while start < text.count, text[start] == 0x20 { start += 1 }
            let token = UnsafeBufferPointer(rebasing: text[start...])
            return !token.isEmpty && EdgeText.isPrintable(token, from: 0x21) ? String(decoding: token, as: UTF8.self) : nil
        }
    }
    /// The media type in lower case, and whether its charset is UTF-8 or not said.
    var mediaType: (type: String, isUTF8: Bool)? {
        guard let contentType else { return nil }
        if contentType == "application/json" { return (contentType, true) }
        let parts = contentType.lowercased().split(separator: ";", maxSplits: 8)
        guard let type = parts.first else { return nil }
        let charset = parts.dropFirst().map { $0.filter { $0 != " " && $0 != "\t" && $0 != "\"" } }.first { $0.hasPrefix("charset=") }
        return (type.filter { $0 != " " && $0 != "\t" }, charset.map { $0 == "charset=utf-8" || $0 == "charset=utf8" } ?? true)
    }
    var wantsHTML: Bool { accept?.utf8.count ?? 0 <= 4_096 && accept?.contains("text/html") == true }
}
