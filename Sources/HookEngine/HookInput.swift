/// A hook's input in the making: members in the order of the definition, what is nil left out.
package struct HookInput {
    package private(set) var members: [(String, HookValue)] = []
    package init() {}
    package static func make(_ fill: (inout HookInput) -> Void) -> HookValue {
        var input = HookInput()
        fill(&input)
        return .object(input.members)
    }
    package mutating func put(_ name: String, _ text: String?) { if let text { members.append((name, .string(text))) } }
    package mutating func put(_ name: String, _ number: Int?) { if let number { members.append((name, .int(Int64(number)))) } }
    package mutating func put(_ name: String, _ flag: Bool?) { if let flag { members.append((name, .bool(flag))) } }
    package mutating func put(_ name: String, _ fill: (inout HookInput) -> Void) { members.append((name, Self.make(fill))) }
}
