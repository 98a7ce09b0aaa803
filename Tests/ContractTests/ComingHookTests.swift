import HookEngine
import Testing
import Vocabulary

@testable import Composition
@testable import DataRequests
@testable import Offboarding

@Suite("hooks of leaving and of data requests")
struct ComingHookTests {
    @Test("what they would send, and what the kernel would do by itself, is what they declare")
    func fits() throws {
        for stage in OnOffboard.Stage.allCases {
            for subject in ["tenant", "member"] {
                for flag in [true, false] {
                    let input = OnOffboard.Input(
                        subject: subject, stage: stage, user: "u", role: "owner", isLastOwner: flag, reason: "price", tier: nil,
                        customerAgeDays: 3, hasLegalHold: flag, hasRefusedOffer: flag)
                    check(OnOffboard.definition, OnOffboard.encode(input), OnOffboard.shippedPlan(input))
                    if flag { #expect(!OnOffboard.shippedPlan(input).contains { $0.name == "end_membership" || $0.name == "purge_data" }) }
                }
            }
        }
        for kind in OnDataRequest.Kind.allCases {
            for hold in [true, false] {
                let input = OnDataRequest.Input(
                    kind: kind, user: "u", role: "viewer", isLastOwner: false, region: "eu", hasLegalHold: hold, daysOpen: 0)
                check(OnDataRequest.definition, OnDataRequest.encode(input), OnDataRequest.shippedPlan(input))
                if hold { #expect(!OnDataRequest.shippedPlan(input).contains { $0.name == "erase_data" }) }
            }
        }
    }

    private func check(_ definition: HookDefinition, _ input: HookValue, _ plan: [PlannedAction]) {
        #expect(HookCheck.issues(input, definition.input).isEmpty)
        for action in plan {
            let declared = definition.actions.first { $0.name == action.name }
            #expect(declared != nil, "\(action.name)")
            let fields = declared?.fields ?? []
            #expect(HookCheck.issues(action.fields, fields).isEmpty, "\(action.name)")
        }
    }
}
