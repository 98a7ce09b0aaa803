import HookEngine
import Vocabulary

/// Asked once for each event of a payment provider: what follows?
package enum OnPayment: PlanHook {
    package struct Input: Sendable, Hashable {
        package struct Subscription: Sendable, Hashable {
            package var id: String
            package var tier: String
            package var interval: BillingInterval
            package var status: Standing.State
            package var quantity: Int
            package var periodEnd: Timestamp?
            package var failedPayments: Int
            package var isTrial = false
        }
        package var disputeOutcome: DisputeOutcome?
        package var type: PaymentEventType
        package var declineReason: DeclineReason?
        package var provider: String
        package var tenant: TenantID
        package var subscription: Subscription?
        package var payment: Money?
        package var customerAgeDays: Int?
    }

    package static let definition = HookDefinition(
        "on_payment", kind: .plan,
        summary:
            "A payment provider told something: which licence, mail and staff actions follow? The kernel checks each against the facts.",
        input: [
            HookField(
                "event",
                .object([
                    HookField("type", .choice(PaymentEventType.allCases.map(\.rawValue)), "What happened, whatever the provider calls it"),
                    HookField("provider", .string, "Name of the payment provider"),
                    HookField(
                        "decline_reason", .choice(DeclineReason.allCases.map(\.rawValue)),
                        "At payment_failed: why, where the provider has said so by then", optional: true),
                    HookField(
                        "dispute_outcome", .choice(DisputeOutcome.allCases.map(\.rawValue)), "At dispute_closed: how it ended",
                        optional: true),
                ]), "The event"),
            HookField("tenant", .object([HookField("id", .string, "UUID of the tenant")]), "Who pays"),
            HookField(
                "subscription",
                .object([
                    HookField("id", .string, "UUID of the subscription here"),
                    HookField("tier", .string, "Name of the tier; empty while unknown"),
                    HookField("interval", .choice(BillingInterval.allCases.map(\.rawValue)), "How often it is paid"),
                    HookField("status", .choice(Standing.State.allCases.map(\.rawValue)), "Standing before this event's plan"),
                    HookField("quantity", .integer, "Units paid for", range: 0...Int64(Int32.max)),
                    HookField("period_end_seconds", .integer, "End of what is paid for, seconds since 1970", optional: true),
                    HookField("failed_payments", .integer, "Failed attempts on what is still unpaid", range: 0...1_000),
                    HookField("is_trial", .boolean, "Nothing was due yet: the trial runs", optional: true),
                ]), "The subscription that the event is about", optional: true),
            HookField(
                "payment",
                .object([
                    HookField("amount_minor", .integer, "In the currency's minor unit"), HookField("currency", .string, "ISO 4217"),
                ]), "The amount that the event names", optional: true),
            HookField(
                "customer", .object([HookField("age_days", .integer, "Days since the tenant's first checkout", range: 0...100_000)]),
                "The buyer", optional: true),
        ],
        actions: [
            HookAction(
                "issue_license", summary: "At checkout_completed: let the licence be issued. Without it the subscription waits for staff."),
            HookAction("renew_license", summary: "At payment_succeeded: let the paid period count."),
            HookAction(
                "start_grace",
                summary: "At payment_failed: everything works this long from the first failure. Without it access ends at once.",
                fields: [
                    HookField(
                        "days", .integer, "0 … 90; absent: the setting billing.grace_days", optional: true, tight: .lowest,
                        range: 0...Int64(PaymentDirectives.mostGraceDays))
                ]),
            HookAction("suspend_license", summary: "Suspend until a later event's plan restores access."),
            HookAction("restore_access", summary: "Lift a suspension; at payment_succeeded also what the failed payment had brought."),
            HookAction(
                "end_subscription", summary: "End access, now or at the end of the paid period.",
                fields: [HookField("when", .choice(["now", "period_end"]), "Which")]),
            HookAction(
                "send_mail", summary: "A mail to the tenant's owners, once for each thing that happened.",
                fields: [HookField("template", .string, "Name of the template")]),
            HookAction("notify_staff", summary: "Tell staff.", fields: [HookField("reason", .string, "What to look at")]),
        ], whenAllAbstain: .shippedPlan)

    package static func encode(_ input: Input) -> HookValue {
        var event: [(String, HookValue)] = [("type", .string(input.type.rawValue)), ("provider", .string(input.provider))]
        if let reason = input.declineReason { event.append(("decline_reason", .string(reason.rawValue))) }
        if let outcome = input.disputeOutcome { event.append(("dispute_outcome", .string(outcome.rawValue))) }
        var members: [(String, HookValue)] = [
            ("event", .object(event)), ("tenant", .object([("id", .string(input.tenant.description))])),
        ]
        if let subscription = input.subscription {
            var fields: [(String, HookValue)] = [
                ("id", .string(subscription.id)), ("tier", .string(subscription.tier)),
                ("interval", .string(subscription.interval.rawValue)),
                ("status", .string(subscription.status.rawValue)), ("quantity", .int(Int64(subscription.quantity))),
            ]
            if let end = subscription.periodEnd { fields.append(("period_end_seconds", .int(end.seconds))) }
            fields.append(("failed_payments", .int(Int64(subscription.failedPayments))))
            fields.append(("is_trial", .bool(subscription.isTrial)))
            members.append(("subscription", .object(fields)))
        }
        if let payment = input.payment {
            members.append(
                ("payment", .object([("amount_minor", .int(payment.amountMinor)), ("currency", .string(payment.currency.code))])))
        }
        if let days = input.customerAgeDays { members.append(("customer", .object([("age_days", .int(Int64(days)))]))) }
        return .object(members)
    }

    /// What SPEC 3 lets follow. It depends on the event's type alone, so that the order of events cannot change it.
    package static func shippedPlan(_ input: Input) -> [PlannedAction] {
        func mail(_ template: String) -> PlannedAction { PlannedAction("send_mail", .object([("template", .string(template))])) }
        func notice(_ reason: String) -> PlannedAction { PlannedAction("notify_staff", .object([("reason", .string(reason))])) }
        switch input.type {
        case .checkoutCompleted: return [PlannedAction("issue_license"), mail("purchase_confirmed")]
        case .paymentSucceeded: return [PlannedAction("renew_license"), PlannedAction("restore_access")]
        case .paymentFailed: return [PlannedAction("start_grace"), mail("payment_failed")]
        case .subscriptionUpdated: return []
        case .subscriptionCancelled:
            return [PlannedAction("end_subscription", .object([("when", .string("period_end"))])), mail("subscription_cancelled")]
        case .refundCreated: return [notice("refund_created")]
        case .disputeOpened: return [notice("dispute_opened")]
        case .disputeClosed: return [notice("dispute_closed")]
        }
    }
}

package enum BillingHooks {
    package static let all: [HookDefinition] = [OnPayment.definition, OnTierChange.definition]
}
