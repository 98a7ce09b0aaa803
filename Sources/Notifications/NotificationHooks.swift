import HookEngine
import Vocabulary

/// Before a message goes out.
package enum OnNotify: DecideHook {
    package struct Input: Sendable, Hashable {
        package var template: String
        package var channel: String
        package var role: String?
        package var tier: String?
        package var isMandatory: Bool
        package var sentToday: Int
    }
    package struct Terms: Sendable, Hashable { package var delaySeconds: Int? }
    package static let definition = HookDefinition(
        "on_notify", kind: .decide,
        summary: "Whether a message goes out, and when. What the law or safety asks for goes out whatever is answered.",
        input: [
            HookField("template", .string, "Name of the template, like payment_failed."),
            HookField("channel", .choice(["mail", "webhook", "console"]), "By which way."),
            HookField(
                "user",
                .object([HookField("role", .string, "The role in the tenant; absent for somebody outside.", optional: true)]), "To whom."),
            HookField("tier", .string, "The tenant's tier, if it has one.", optional: true),
            HookField("is_mandatory", .boolean, "It goes out whatever is answered."),
            HookField("sent_today", .integer, "Messages to this person since midnight UTC.", range: 0...1_000_000),
        ],
        terms: [
            HookField("delay_seconds", .integer, "How long it waits.", optional: true, tight: .highest, range: 0...604_800)
        ], whenAllAbstain: .allow, whenFailing: .allow)

    package static func encode(_ input: Input) -> HookValue {
        HookInput.make { hook in
            hook.put("template", input.template)
            hook.put("channel", input.channel)
            hook.put("user") { $0.put("role", input.role) }
            hook.put("tier", input.tier)
            hook.put("is_mandatory", input.isMandatory)
            hook.put("sent_today", input.sentToday)
        }
    }
    package static func terms(_ value: HookValue) -> Terms { Terms(delaySeconds: value["delay_seconds"]?.int.map { Int($0) }) }
}
