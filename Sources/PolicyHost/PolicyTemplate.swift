import Foundation
import HookEngine

/// A furnished folder for a new policy: it checks, its tests pass, and it changes nothing until its author does.
package struct PolicyTemplate: Sendable {
    /// `seats/contractor-hours`
    package let path: String
    package let definition: HookDefinition

    package init(path: String, definition: HookDefinition) {
        self.path = path
        self.definition = definition
    }

    /// What is wrong with a name for a policy; nil for a good one.
    package static func complaint(_ path: String) -> String? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        let isGood =
            parts.count == 2
            && parts.allSatisfy { part in
                part.first.map { ("a"..."z").contains($0) } == true
                    && part.allSatisfy { ("a"..."z").contains($0) || ("0"..."9").contains($0) || $0 == "-" }
            }
        return isGood
            ? nil : "a policy is called feature/rule, both of a-z, 0-9 and -, a letter first, like seats/contractor-hours; got \(path)"
    }

    /// File name → text.
    package var files: [String: String] { ["policy.lua": policy, "policy_test.lua": test, "README.md": readme] }

    private var id: String { path.replacingOccurrences(of: "/", with: ".") }

    private var policy: String {
        let answer =
            definition.kind == .plan
            ? "-- return plan{ \(definition.actions.first.map(Self.action) ?? "") }"
            : "-- if … then return deny(\"reason\") end"
        let terms = definition.terms.map { "\($0.name) = …" }.joined(separator: ", ")
        return """
            -- What it decides, in one sentence.
            return {
              id = "\(id)",
              api = 1,
              summary = "…",
              settings = {
                is_enabled = { type = "boolean", default = false, summary = "…" },
              },

              -- \(definition.summary)
              \(definition.name) = function(request, settings)
                if not settings.is_enabled then return end
                \(answer)\(terms.isEmpty ? "" : "\n    -- return allow{ \(terms) }")
              end,
            }

            """
    }

    private var test: String {
        """
        local function request(change)
          local input = \(Self.lua(definition.input, indent: 2))
          for name, value in pairs(change or {}) do input[name] = value end
          return input
        end

        return {
          { name = "says nothing while it is not enabled", hook = "\(definition.name)", input = request(), expect = { outcome = "abstain" } },
          {
            name = "says nothing yet",
            hook = "\(definition.name)",
            input = request(),
            settings = { is_enabled = true },
            expect = { outcome = "abstain" },
          },
        }

        """
    }

    private var readme: String {
        """
        # \(path)

        Answers `\(definition.name)`: …

        | setting | default | meaning |
        | --- | --- | --- |
        | `is_enabled` | false | … |

        Name it in `init.lua`: `{ "\(path)", settings = { is_enabled = true } }`.

        """
    }

    private static func action(_ action: HookAction) -> String {
        action.name + "{"
            + action.fields.filter { !$0.isOptional }.map { " \($0.name) = \(value($0.kind, $0.range, indent: 0))" }.joined(separator: ",")
            + (action.fields.contains { !$0.isOptional } ? " }" : "}")
    }

    private static func lua(_ fields: [HookField], indent: Int) -> String {
        let inner = String(repeating: " ", count: indent + 2)
        let rows = fields.map { "\(inner)\($0.name) = \(value($0.kind, $0.range, indent: indent + 2)),\n" }.joined()
        return "{\n\(rows)\(String(repeating: " ", count: indent))}"
    }

    private static func value(_ kind: HookField.Kind, _ range: ClosedRange<Int64>?, indent: Int) -> String {
        switch kind {
        case .string: "\"x\""
        case .integer: "\(range.map { max($0.lowerBound, min(1, $0.upperBound)) } ?? 1)"
        case .boolean: "false"
        case .choice(let names): "\"\(names.first ?? "")\""
        case .object(let fields): lua(fields, indent: indent)
        case .list, .map: "{}"
        }
    }
}
