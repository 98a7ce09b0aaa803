import Vocabulary

/// Everything about the edge that an operator can set.
package enum HTTPEdgeSettings {
    package static let publicURL = Setting<String>(
        "http.public_url", default: "", range: "empty, or a scheme and authority such as https://app.example.com",
        accepts: { $0.isEmpty || EdgeRules.isOrigin($0) },
        reason:
            "What clients call us. Empty: as each request's Host says; set it where links are mailed, so that no caller chooses their host."
    )
    package static let trustedProxies = Setting<[String]>(
        "http.trusted_proxies", default: [], range: "addresses or prefixes such as 10.0.0.0/8",
        accepts: { $0.allSatisfy { NetworkRange($0) != nil } },
        reason: "Whose X-Forwarded-For, -Proto, -Host and X-Request-Id are believed. Nobody's unless listed.")
    package static let corsOrigins = Setting<[String]>(
        "http.cors_origins", default: [], range: "origins such as https://ide.example.com",
        accepts: { $0.allSatisfy { EdgeRules.isOrigin($0) } },
        reason: "Whose pages may call the API from a browser. None unless listed; cookies are never accepted from them.")
    package static let formActionOrigins = Setting<[String]>(
        "http.form_action_origins", default: ["https://checkout.stripe.com", "https://billing.stripe.com"],
        range: "origins such as https://pay.example.com", accepts: { $0.allSatisfy { EdgeRules.isOrigin($0) } },
        reason: "Where a page's form may lead besides ourselves: the payment providers' own pages.")
    package static let metricsOpen = Setting<Bool>(
        "http.metrics_open", default: false, range: "true or false",
        reason: "True: anybody who reaches the port reads /metrics. False: loopback and platform administrators.")

    package static let maxBodyBytes = Setting<Int>(
        "http.max_body_bytes", default: 1_048_576, in: 1_024...67_108_864,
        reason: "No body is longer, whatever its route accepts; most routes accept 64 KiB.")
    package static let maxHeaderBytes = Setting<Int>(
        "http.max_header_bytes", default: 32_768, in: 4_096...262_144, reason: "All header fields of a request together.")
    package static let maxHeaderFields = Setting<Int>(
        "http.max_header_fields", default: 100, in: 16...1_000, reason: "Header fields of a request.")
    package static let maxConnections = Setting<Int>(
        "http.max_connections", default: 8_192, in: 16...1_000_000, reason: "Open at once; further ones wait in the kernel's backlog.")

    package static let headerTimeout = Setting<Int>(
        "http.header_timeout_seconds", default: 10, in: 1...300, reason: "From a request's first byte to the end of its headers.")
    package static let bodyTimeout = Setting<Int>(
        "http.body_timeout_seconds", default: 30, in: 1...3_600, reason: "From the end of the headers to the end of the body.")
    package static let idleTimeout = Setting<Int>(
        "http.idle_timeout_seconds", default: 60, in: 1...3_600, reason: "How long a connection stays open between requests.")
    package static let handlerTimeout = Setting<Int>(
        "http.handler_timeout_seconds", default: 30, in: 1...600, reason: "From the whole request to its answer; then 503 timed_out.")
    package static let drainNotice = Setting<Int>(
        "http.drain_notice_seconds", default: 0, in: 0...120,
        reason: "Behind a load balancer: how long readiness says 503 before the port closes, so that the balancer notices.")
    package static let drain = Setting<Int>(
        "http.drain_seconds", default: 25, in: 0...600,
        reason: "How long requests in flight may finish at shutdown; under Kubernetes' 30 seconds.")

    package static let tlsCertificate = Setting<String>(
        "http.tls_certificate", default: "", range: "a path", reason: "PEM chain, the server's own first. With tls_key: TLS 1.3 in process."
    )
    package static let tlsKey = Setting<String>("http.tls_key", default: "", range: "a path", reason: "PEM private key of the certificate.")

    package static let limitsEnabled = Setting<Bool>(
        "http.limits_enabled", default: true, range: "true or false", reason: "False only under test tools that send faster than people do."
    )
    package static let loginPerMinute = Setting<Int>(
        "http.limit_login_per_minute", default: 5, in: 1...10_000, reason: "Log-ins from one network (/32 or /64).")
    package static let signupPerMinute = Setting<Int>(
        "http.limit_signup_per_minute", default: 3, in: 1...10_000, reason: "Sign-ups from one network.")
    package static let validatePerMinute = Setting<Int>(
        "http.limit_validate_per_minute", default: 60, in: 1...10_000, reason: "Validations of one licence key.")
    package static let activatePerHour = Setting<Int>(
        "http.limit_activate_per_hour", default: 10, in: 1...10_000, reason: "Activations of one licence key.")
    package static let keysPerMinute = Setting<Int>(
        "http.limit_keys_per_minute", default: 600, in: 1...100_000,
        reason: "Validations and activations from one network together, so that guessing keys does not escape the limit per key.")
    package static let standardPerMinute = Setting<Int>(
        "http.limit_standard_per_minute", default: 100, in: 1...100_000,
        reason: "Every other call of one user, or of one network when anonymous.")
    package static let webhooksPerMinute = Setting<Int>(
        "http.limit_webhooks_per_minute", default: 1_200, in: 1...1_000_000, reason: "Webhooks from one network: a provider sends bursts.")

    package static let all: [AnySetting] = [
        publicURL.erased, trustedProxies.erased, corsOrigins.erased, formActionOrigins.erased, metricsOpen.erased, maxBodyBytes.erased,
        maxHeaderBytes.erased, maxHeaderFields.erased, maxConnections.erased, headerTimeout.erased, bodyTimeout.erased, idleTimeout.erased,
        handlerTimeout.erased, drainNotice.erased, drain.erased, tlsCertificate.erased, tlsKey.erased, limitsEnabled.erased,
        loginPerMinute.erased, signupPerMinute.erased, validatePerMinute.erased, activatePerHour.erased, keysPerMinute.erased,
        standardPerMinute.erased, webhooksPerMinute.erased,
    ]
}

/// The settings as the edge uses them, read once.
struct EdgeRules: Sendable {
    let publicOrigin: String?
    let trustedProxies: [NetworkRange]
    let corsOrigins: Set<String>
    let formActionOrigins: [String]
    let maxBodyBytes: Int
    let limits: LimitRules?

    init(_ settings: Settings) throws(EdgeFault) {
        let url = settings[HTTPEdgeSettings.publicURL]
        publicOrigin = url.isEmpty ? nil : url
        var ranges: [NetworkRange] = []
        for text in settings[HTTPEdgeSettings.trustedProxies] {
            guard let range = NetworkRange(text) else { throw .setting(HTTPEdgeSettings.trustedProxies.path, "\(text) is no address") }
            ranges.append(range)
        }
        trustedProxies = ranges
        corsOrigins = Set(settings[HTTPEdgeSettings.corsOrigins])
        formActionOrigins = settings[HTTPEdgeSettings.formActionOrigins]
        maxBodyBytes = settings[HTTPEdgeSettings.maxBodyBytes]
        limits = settings[HTTPEdgeSettings.limitsEnabled] ? LimitRules(settings) : nil
    }

    /// `https://example.com:8443`: scheme and authority, lower case, no path.
    static func isOrigin(_ text: String) -> Bool {
        guard let scheme = ["https://", "http://"].first(where: text.hasPrefix) else { return false }
        let host = String(text.dropFirst(scheme.count))
        return host == host.lowercased() && Provenance.isHost(host)
    }
}
