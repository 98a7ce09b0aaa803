import Vocabulary

package enum BillingProblems {
    package static let tierIsFree = Problem(
        "tier_is_free", status: 409, title: "This tier costs nothing.",
        hint: "It is granted without a checkout once the address is verified.")
    package static let tierByContract = Problem(
        "tier_by_contract", status: 409, title: "The price of this tier is agreed by contract.",
        hint: "Ask for an offer; contact_url says where.")
    package static let tierNotOffered = Problem(
        "tier_not_offered", status: 409, title: "This tier is not offered.", hint: "GET /api/v1/plans lists what is.")
    package static let noSuchPrice = Problem(
        "no_such_price", status: 422, title: "There is no such price.",
        hint: "Name a tier and interval of GET /api/v1/plans, or a configured price.")
    package static let quantityTooLarge = Problem(
        "quantity_too_large", status: 422, title: "That is more than one checkout takes.",
        hint: "max_quantity says how many units are possible.")
    package static let cardNumberRefused = Problem(
        "card_number_refused", status: 422, title: "This looks like a card number.",
        hint: "Never send card numbers here; they belong on the payment provider's page only.")
    package static let nothingBought = Problem(
        "nothing_bought", status: 409, title: "There is no customer at the payment provider yet.",
        hint: "The portal opens after the first checkout.")
    package static let providerUnknown = Problem(
        "provider_unknown", status: 404, title: "There is no such payment provider.",
        hint: "Check the name; the operator lists the plugins in use.")
    package static let providerUnavailable = Problem(
        "provider_unavailable", status: 503, title: "The payment provider is not in service here.",
        hint: "Its plugin did not start; the operator's log says why. Deliver again later.")
    package static let providerRefused = Problem(
        "provider_refused", status: 502, title: "The payment provider refused.", hint: "provider_code says why; another attempt asks anew.")
    package static let providerUnreachable = Problem(
        "provider_unreachable", status: 503, title: "The payment provider did not answer.",
        hint: "Try again with the same Idempotency-Key: the same session comes back.")
    package static let providerCannot = Problem(
        "provider_cannot", status: 409, title: "The payment provider cannot do this.",
        hint: "capability names what is missing; the provider's own portal may help.")
    package static let operationOpen = Problem(
        "operation_open", status: 409, title: "Something is still under way with this subscription or payment.",
        hint: "Wait until operation_id is settled; GET /api/v1/billing/operations/{id} shows it.")
    package static let stateWrong = Problem(
        "subscription_state", status: 409, title: "The subscription's status does not allow this.",
        hint: "status says where it stands; resume a cancelled one first, pay an open one, or buy anew.")
    package static let nothingChanges = Problem(
        "nothing_changes", status: 409, title: "The subscription is so already.", hint: "Name another tier, interval or quantity.")
    package static let intervalShortens = Problem(
        "interval_shortens", status: 409, title: "A paid year is not cut into months.",
        hint: "Cancel at the period's end and buy by the month then.")
    package static let downgradeWaits = Problem(
        "downgrade_waits", status: 409, title: "A downgrade waits for the period's end.",
        hint: "Change back to what is in force first, which costs nothing; then upgrade.")
    package static let noQuantityWish = Problem(
        "no_quantity_wish", status: 409, title: "No change of quantity waits.",
        hint: "It was carried out, withdrawn or refused: GET /api/v1/billing/subscription shows which.")
    package static let quantityWishWaits = Problem(
        "quantity_wish_waits", status: 409, title: "A change of quantity waits to be carried out.",
        hint: "Wait until it is, or withdraw it, so that it is not lost at the provider that is left.")
    package static let amountChanged = Problem(
        "amount_changed", status: 409, title: "The change costs something else than was agreed to.",
        hint: "due_now says what; ask for a preview again and agree to that.")
    package static let previewOver = Problem(
        "preview_over", status: 409, title: "The preview is too old.", hint: "Ask for a new one; it holds for an hour.")
    package static let moveNowhere = Problem(
        "move_nowhere", status: 409, title: "The subscription is with this provider already.",
        hint: "Name another provider, or change the subscription where it is.")
    package static let moveChanges = Problem(
        "move_changes", status: 409, title: "A move keeps tier and quantity.", hint: "Move first; then change what was bought.")
    package static let notRefundable = Problem(
        "not_refundable", status: 409, title: "This cannot be refunded.",
        hint: "Only what was paid and not given back: left_minor says how much that is.")
    package static let couponNotSupported = Problem(
        "coupon_not_supported", status: 409, title: "The payment provider takes no coupons.",
        hint: "Buy without the code, or from a provider that takes one.")
    package static let couponInvalid = Problem(
        "coupon_invalid", status: 422, title: "This code takes nothing off.",
        hint: "reason says why: unknown; not_valid where it is used up, run out or withdrawn; currency where it is of another one.")
    package static let webhookForged = Problem(
        "webhook_signature_invalid", status: 400, title: "The signature does not prove where this came from.",
        hint: "Check the webhook secret on both sides.")
    package static let webhookStale = Problem(
        "webhook_stale", status: 400, title: "The signature is too old.", hint: "Check both clocks; deliver again with a fresh signature.")
    package static let webhookMalformed = Problem(
        "webhook_malformed", status: 400, title: "This is not an event of the provider.", hint: "Send the provider's body unchanged.")
    package static let all = [
        tierIsFree, tierByContract, tierNotOffered, noSuchPrice, quantityTooLarge, cardNumberRefused, nothingBought, providerUnknown,
        providerUnavailable, providerRefused, providerUnreachable, providerCannot, operationOpen, stateWrong, nothingChanges,
        intervalShortens,
        downgradeWaits, noQuantityWish, quantityWishWaits, amountChanged, previewOver, moveNowhere, moveChanges, notRefundable,
        couponNotSupported, couponInvalid,
        webhookForged, webhookStale, webhookMalformed,
    ]

    /// What a caller is told of a provider's failure at a checkout or portal.
    static func of(_ error: any Error) -> Problem {
        switch error as? PaymentProviderError {
        case .refused(let code, _)?: providerRefused.with(["provider_code": .string(String(code.prefix(100)))])
        case .notSupported?: providerRefused.with(["provider_code": "not_supported"])
        // The provider's own word where it gave one; a day at most, so that nobody is sent away for good.
        case .rateLimited(let pause)?: providerUnreachable.retry(afterSeconds: min(pause?.wholeSeconds ?? 5, 86_400))
        default: providerUnreachable.retry(afterSeconds: 5)
        }
    }
    /// What a provider is told of a webhook that it, or somebody else, sent.
    static func ofWebhook(_ error: any Error) -> Problem {
        switch error as? PaymentProviderError {
        case .forged?: webhookForged
        case .stale?: webhookStale
        case .malformed?, .refused?: webhookMalformed
        // The plugin itself is in trouble: the provider should deliver again later.
        default: providerUnavailable.retry(afterSeconds: 30)
        }
    }
}
