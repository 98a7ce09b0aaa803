import KeyValue
import Vocabulary

/// The limits of SPEC 10, from the settings.
struct LimitRules: Sendable {
    let login: RateLimit
    let signup: RateLimit
    let validate: RateLimit
    let activate: RateLimit
    let keys: RateLimit
    let standard: RateLimit
    let webhooks: RateLimit

    init(_ settings: Settings) {
        login = RateLimit(settings[HTTPEdgeSettings.loginPerMinute], per: .minutes(1))
        signup = RateLimit(settings[HTTPEdgeSettings.signupPerMinute], per: .minutes(1))
        validate = RateLimit(settings[HTTPEdgeSettings.validatePerMinute], per: .minutes(1))
        activate = RateLimit(settings[HTTPEdgeSettings.activatePerHour], per: .hours(1))
        keys = RateLimit(settings[HTTPEdgeSettings.keysPerMinute], per: .minutes(1))
        standard = RateLimit(settings[HTTPEdgeSettings.standardPerMinute], per: .minutes(1))
        webhooks = RateLimit(settings[HTTPEdgeSettings.webhooksPerMinute], per: .minutes(1))
    }
}

/// Counts requests against their limits. Without its store the guards of guessing fail closed, the rest open.
struct LimitGuard: Sendable {
    let rules: LimitRules?
    let keyValue: any KeyValue
    let keys: EdgeKeys
    /// A limit of the caller's tier instead of the standard one.
    let standardLimit: (@Sendable (Principal) async -> RateLimit?)?

    /// Before the caller is known: what counts by network.
    func admit(_ limit: LimitClass, network: String, now: Timestamp) async throws {
        guard let rules else { return }
        switch limit {
        case .login: try await take("login:\(network)", rules.login, now, isGuard: true)
        case .signup: try await take("signup:\(network)", rules.signup, now, isGuard: true)
        case .validate, .activate: try await take("keys:\(network)", rules.keys, now, isGuard: true)
        case .webhook: try await take("webhook:\(network)", rules.webhooks, now, isGuard: false)
        case .standard, .unlimited: break
        }
    }
    /// Once the caller is known, or known to be nobody.
    func admit(_ limit: LimitClass, caller: Principal?, network: String, now: Timestamp) async throws {
        guard let rules, limit == .standard else { return }
        if let caller {
            let own = await standardLimit?(caller) ?? rules.standard
            try await take("user:\(EdgeText.uuid(caller.user.uuid))", own, now, isGuard: false)
        } else {
            try await take("network:\(network)", rules.standard, now, isGuard: false)
        }
    }
    /// Once the body is read: what counts by licence key. Spellings of one key count as one.
    func admit(_ limit: LimitClass, licenseKey: String, now: Timestamp) async throws {
        guard let rules, limit == .validate || limit == .activate else { return }
        let key = keys.limitKey(for: LimitGuard.canonical(licenseKey))
        let isValidate = limit == .validate
        try await take("\(limit.rawValue):\(key)", isValidate ? rules.validate : rules.activate, now, isGuard: true)
    }

    /// Upper case without separators, look-alike signs read as a licence key reads them, so that no other spelling begins to count anew.
    static func canonical(_ key: String) -> [UInt8] {
        key.utf8.compactMap { byte in
            switch byte {
            case 97...122: canonical(letter: byte & 0xDF)
            case 65...90: canonical(letter: byte)
            case 48...57: byte
            default: nil
            }
        }
    }
    private static func canonical(letter: UInt8) -> UInt8 {
        switch letter {
        case UInt8(ascii: "O"): UInt8(ascii: "0")
        case UInt8(ascii: "I"), UInt8(ascii: "L"): UInt8(ascii: "1")
        case UInt8(ascii: "U"): UInt8(ascii: "V")
        default: letter
        }
    }

    private func take(_ key: String, _ limit: RateLimit, _ now: Timestamp, isGuard: Bool) async throws {
        let decision: RateDecision
        do { decision = try await keyValue.take(key, limit: limit, now: now) } catch {
            guard isGuard else { return }
            throw CommonProblems.unavailable.retry(afterSeconds: 5)
        }
        guard decision.isAllowed else { throw CommonProblems.rateLimited.retry(afterSeconds: decision.retryAfterSeconds) }
    }
}
