import HookEngine
import Vocabulary

/// A plan of `on_payment`, checked against its event and reduced to what it rules. Stored with the event, so that a retry applies the same.
package struct PaymentDirectives: Sendable, Hashable, Codable {
    package enum Ending: String, Sendable, Codable { case now, periodEnd = "period_end" }
    package var issuesLicense = false
    package var renewsLicense = false
    package var restoresAccess = false
    package var suspendsLicense = false
    /// 0 where the plan of a failed payment starts none.
    package var graceDays: Int?
    package var ending: Ending?
    /// Names of templates, in the order of the plan.
    package var mails: [String] = []
    package var notices: [String] = []
    /// Actions that do not fit the event, and why.
    package var refused: [String] = []
    package init() {}

    package static let none = PaymentDirectives()
    package static let mostGraceDays = 90

    /// Where a plan names an action twice, the milder reading does not win: the shorter grace, the nearer end.
    package static func checked(_ actions: [PlannedAction], of type: PaymentEventType, defaultGraceDays: Int) -> PaymentDirectives {
        var directives = PaymentDirectives()
        for action in actions {
            let fields = action.fields
            func only(_ types: PaymentEventType..., then apply: () -> Void) {
                if types.contains(type) { apply() } else { directives.refused.append("\(action.name): not at \(type.rawValue)") }
            }
            switch action.name {
            case "issue_license": only(.checkoutCompleted) { directives.issuesLicense = true }
            case "renew_license": only(.paymentSucceeded) { directives.renewsLicense = true }
            case "start_grace":
                let days = fields["days"]?.int.map { Int(clamping: $0) } ?? defaultGraceDays
                guard (0...mostGraceDays).contains(days) else {
                    directives.refused.append("start_grace: days must be 0 … \(mostGraceDays)")
                    continue
                }
                only(.paymentFailed) { directives.graceDays = min(directives.graceDays ?? days, days) }
            case "suspend_license": directives.suspendsLicense = true
            case "restore_access": directives.restoresAccess = true
            case "end_subscription":
                switch fields["when"]?.string.flatMap(Ending.init(rawValue:)) {
                case .now?: directives.ending = .now
                case .periodEnd?: directives.ending = directives.ending ?? .periodEnd
                case nil: directives.refused.append("end_subscription: when must be now or period_end")
                }
            case "send_mail":
                guard let template = fields["template"]?.string, isTemplate(template) else {
                    directives.refused.append("send_mail: template must be lower-case letters, digits and _")
                    continue
                }
                if !directives.mails.contains(template) { directives.mails.append(template) }
            case "notify_staff":
                let reason = String((fields["reason"]?.string ?? type.rawValue).prefix(200))
                if !directives.notices.contains(reason) { directives.notices.append(reason) }
            default: directives.refused.append("\(String(action.name.prefix(64))): no such action")
            }
        }
        if type == .paymentFailed, directives.graceDays == nil { directives.graceDays = 0 }
        if directives.suspendsLicense, directives.restoresAccess {
            directives.restoresAccess = false
            directives.refused.append("restore_access: the same plan suspends")
        }
        return directives
    }

    static func isTemplate(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count) && name.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
    }
}
