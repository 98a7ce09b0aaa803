import PluginKit

/// Stripe's decline codes in the kit's words. https://docs.stripe.com/declines/codes
enum StripeDecline {
    /// Of an intent (`last_payment_error`) or a charge (`failure_code`, `outcome.reason`); nil where it says nothing of a failure.
    static func reason(of object: StripeObject) -> DeclineReason? {
        let error = object.child("last_payment_error")
        let outcome = object.child("outcome")
        // The decline code says more than the error's: `card_declined` is every one of them.
        let codes = [error["decline_code"], outcome["reason"], object["failure_code"], error["code"]].compactMap { $0?.string }
        guard let first = codes.first else { return nil }
        return codes.lazy.compactMap { known[$0] }.first ?? (first.isEmpty ? nil : .other)
    }

    /// Where the event carries the intent or the charge itself and not only its name.
    static func reason(ofInvoice invoice: StripeObject) -> DeclineReason? {
        let payments = invoice.list("payments").map { $0.child("payment") }
        let parts = ([invoice] + payments).flatMap { [$0.child("payment_intent"), $0.child("charge")] }
        return parts.lazy.compactMap { reason(of: $0) }.first
    }

    private static let known: [String: DeclineReason] = {
        let words: [(DeclineReason, [String])] = [
            (.insufficientFunds, ["insufficient_funds", "card_velocity_exceeded", "withdrawal_count_limit_exceeded"]),
            (.expiredCard, ["expired_card", "invalid_expiry_month", "invalid_expiry_year"]),
            (
                .incorrectDetails,
                [
                    "incorrect_number", "incorrect_cvc", "incorrect_zip", "incorrect_address", "incorrect_pin", "invalid_number",
                    "invalid_cvc",
                    "invalid_pin", "offline_pin_required", "online_or_offline_pin_required", "pin_try_exceeded",
                ]
            ),
            (
                .authenticationRequired,
                ["authentication_required", "payment_intent_authentication_failure", "mobile_device_authentication_required"]
            ),
            (
                .lostOrStolen,
                ["lost_card", "stolen_card", "pickup_card", "restricted_card", "fraudulent", "merchant_blacklist", "highest_risk_level"]
            ),
            (
                .notAccepted,
                [
                    "card_not_supported", "currency_not_supported", "invalid_account", "new_account_information_available", "not_permitted",
                    "service_not_allowed", "transaction_not_allowed", "invalid_amount", "account_closed", "debit_not_authorized",
                    "bank_account_restricted", "no_account",
                ]
            ),
            (.processingError, ["processing_error", "issuer_not_available", "try_again_later", "reenter_transaction", "approve_with_id"]),
        ]
        return Dictionary(words.flatMap { reason, codes in codes.map { ($0, reason) } }, uniquingKeysWith: { first, _ in first })
    }()
}
