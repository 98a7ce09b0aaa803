import Foundation
import PluginKit

@c(coditect_plugin_entry)
public func entry() -> UnsafeMutableRawPointer { PluginEntry.retained(SOC2()) }

struct SOC2: Plugin {
    let id = "soc2"

    func make(_ context: PluginContext) async throws -> any PluginInstance {
        Instance(
            framework: CommonCriteria(
                rules: Rules(
                    reviewDays: Int64(try context.settings.integer("review_days")),
                    keyDays: Int64(try context.settings.integer("key_days")),
                    leavingHours: Int64(try context.settings.integer("leaving_hours")))))
    }
}

struct Instance: PluginInstance {
    let framework: CommonCriteria
    var complianceFramework: (any ComplianceFramework)? { framework }
}

/// How strict the operator wants it.
struct Rules: Sendable, Hashable {
    var reviewDays: Int64 = 100
    var keyDays: Int64 = 400
    var leavingHours: Int64 = 24
}

/// The common criteria (CC1 to CC9) of the AICPA's Trust Services Criteria, 2017 edition with the points of focus revised in 2022.
struct CommonCriteria: ComplianceFramework {
    let rules: Rules

    let about = FrameworkDescription(
        id: "soc2", title: "SOC 2, common criteria", edition: "TSC 2017, points of focus 2022", controls: Controls.all)

    func evaluate(_ question: ControlQuestion) throws -> ControlAnswer {
        guard let control = Controls.all.first(where: { $0.id == question.control }) else {
            throw PluginRefusal("soc2 has no such control")
        }
        guard let need = control.reads.first else {
            return ControlAnswer(
                .notEvaluated, reason: "No evidence for this is collected; an auditor judges it from what the organisation shows.",
                missing: control.missing)
        }
        do throws(Unusable) {
            let piece = try Reading(question).piece(need)
            return try Judgement(rules: rules, now: question.now, piece: piece).answer()
        } catch {
            return ControlAnswer(.notEvaluated, reason: error.reason, missing: ["\(need.kind.rawValue): \(error.missing)"])
        }
    }
}
