/// Why a call to a provider failed, or a webhook was not believed.
///
/// | case | carried out? | again? |
/// | --- | --- | --- |
/// | `refused` | no | final; another try is a new wish under a new key |
/// | `notSupported` | no | never |
/// | `rateLimited` | no | same key, after the pause |
/// | `unreachable`, `malformed` | unknown | same key; or read what there is |
/// | `forged`, `stale` | webhooks only | the sender delivers again |
///
/// Texts are for logs and people: no secret, nothing of a card.
public enum PaymentProviderError: Error, Sendable, Hashable {
    /// The signature is missing or does not match.
    case forged(String)
    /// The signature matches, the timestamp lies outside the tolerance.
    case stale(String)
    /// The body is not what the provider sends.
    case malformed(String)
    /// The provider refused: asking again will not help.
    case refused(code: String, message: String)
    /// The provider could not be asked or did not answer: the outcome is unknown, ask again with the same key.
    case unreachable(String)
    // since 1.1
    /// The provider cannot do this; its `capabilities` say so.
    case notSupported(PaymentCapability)
    /// The provider takes no more requests for now and has surely not carried this one out. `retryAfter` is the provider's own word.
    case rateLimited(retryAfter: Duration?)
    // end of 1.1
}

// since 1.1
/// Whether a call that threw took effect at the provider.
public enum PaymentOutcome: String, Sendable, Hashable, Codable { case notDone = "not_done", unknown }

/// What a caller may do with a call that threw.
public enum PaymentRepetition: Sendable, Hashable {
    case never
    /// As a new wish: something must change first.
    case underNewKey
    /// The same request under the same key, after this pause where one is given.
    case underSameKey(after: Duration?)
}

extension PaymentProviderError {
    public var outcome: PaymentOutcome {
        switch self {
        case .refused, .notSupported, .rateLimited, .forged, .stale: .notDone
        case .unreachable, .malformed: .unknown
        }
    }
    public var repetition: PaymentRepetition {
        switch self {
        case .notSupported, .forged, .stale: .never
        case .refused: .underNewKey
        case .rateLimited(let pause): .underSameKey(after: pause)
        case .unreachable, .malformed: .underSameKey(after: nil)
        }
    }
    /// Asking again will not help.
    public var isFinal: Bool { if case .underSameKey = repetition { false } else { true } }
}
// end of 1.1
