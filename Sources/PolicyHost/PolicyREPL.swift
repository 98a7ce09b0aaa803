import HookEngine

/// Lua at a prompt, as a policy would run it: the same libraries, the same budgets, one question at hand.
package struct PolicyREPL: Sendable {
    private let bench: PolicyWorkbench
    private var hook: HookDefinition?
    private var input = HookValue.object([])
    private var tier: String?
    /// Lines that stay: those that declare something.
    private var kept: [String] = []

    package init(_ bench: PolicyWorkbench) { self.bench = bench }

    package static let help = """
        a line of Lua      its value; `local x = …` and functions stay
        :hook NAME         take up a hook; request is a made-up input of it
        :set PATH VALUE    change the input: :set user.role "contractor"
        :input JSON        another input
        :tier NAME         ask this tier's policies too
        :ask               what the set answers
        :explain           the smallest change of the input that flips the answer
        :clear             forget what was declared
        :quit
        """

    /// What a line answers; nil at the end.
    package mutating func take(_ line: String) -> String? {
        let line = line.trimmingSpaces
        guard line.hasPrefix(":") else { return line.isEmpty ? "" : evaluate(line) }
        let parts = line.dropFirst().split(separator: " ", maxSplits: 1).map(String.init)
        let rest = parts.count > 1 ? parts[1].trimmingSpaces : ""
        switch parts.first {
        case "quit", "q": return nil
        case "hook":
            guard let found = bench.definitions.first(where: { $0.name == rest }) else {
                return "there is no hook \(rest); there are: \(bench.definitions.map(\.name).sorted().joined(separator: ", "))"
            }
            hook = found
            input = PolicyInputs.sample(found.input)
            return input.withoutNow
        case "input", "set": return change(parts[0], rest)
        case "tier":
            tier = rest.isEmpty ? nil : rest
            return ""
        case "ask", "explain": return ask(explains: parts[0] == "explain")
        case "clear":
            kept = []
            return ""
        default: return Self.help
        }
    }

    private mutating func change(_ verb: String, _ rest: String) -> String {
        let text: String
        let path: [String]
        if verb == "set" {
            let parts = rest.split(separator: " ", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { return "write :set user.role \"contractor\"" }
            path = parts[0].split(separator: ".").map(String.init)
            text = parts[1]
        } else {
            path = []
            text = rest
        }
        var bytes = text
        let read = bytes.withUTF8 { utf8 in
            Result { () throws(HookValueReader.Fault) in try HookValueReader.read(UnsafeRawBufferPointer(utf8)) }
        }
        switch read {
        case .failure(let fault): return "at sign \(fault.offset + 1): \(fault.message)"
        case .success(let value):
            let changed = input.with(path, value)
            if let hook, let issue = bench.issues(hook.name, changed).first { return issue.description }
            input = changed
            return input.withoutNow
        }
    }

    private func ask(explains: Bool) -> String {
        guard let hook else { return "take up a hook first: :hook NAME" }
        do throws(OperatorQuestion) {
            let run = try bench.run(hook.name, input, tier: tier, seed: 1, traces: false)
            guard explains else {
                let who = run.steps.map { "  \($0.answer.policy)  \($0.answer.content.shown)  at \($0.answer.place)" }
                return (["\(run.ruling)  fuel \(run.fuel)"] + who).joined(separator: "\n")
            }
            guard let flip = bench.flip(hook.name, input, tier: tier, seed: 1) else { return "nothing that the policies know flips it" }
            return "\(flip.ruling), if "
                + flip.changes.map { "\($0.path) were \($0.after) instead of \($0.before)" }.joined(separator: " and ")
        } catch {
            return error.description
        }
    }

    private mutating func evaluate(_ line: String) -> String {
        let hook = self.hook ?? bench.definitions[0]
        guard let plan = bench.set.hooks[hook.name] else { return "" }
        let question = InputEncoder.ordered(
            PolicyTestRunner.withNow(self.hook == nil ? PolicyInputs.sample(hook.input) : input), hook.wholeInput)
        let before = kept.joined(separator: "\n")
        // A value where the line is one, else a statement that stays if it runs.
        for (body, stays) in [("return \(line)", false), (line, true)] {
            let source = "return { \(hook.name) = function(request, settings, data)\n\(before)\n\(body)\nend }"
            let result = PolicyThreads.runAndWait { [bench] in Self.run(source, bench, plan, question) }
            switch result {
            case .failure(let fault) where fault.kind == .error && fault.message.contains("near") && !stays: continue
            case .failure(let fault): return fault.text
            case .success(let shown):
                if stays { kept.append(line) }
                return shown
            }
        }
        return ""
    }

    private static func run(_ source: String, _ bench: PolicyWorkbench, _ plan: HookPlan, _ input: HookValue) -> Result<String, LuaFault> {
        Result { () throws(LuaFault) in
            let state = try LuaState(bench.builder.limits)
            try state.actions(bench.builder.actions)
            for shape in bench.set.recipe.shapes { try state.shape(shape.label, shape.names) }
            let unit = try state.load(source)
            try state.bind(unit, settings: .object([]), data: .object(bench.set.data.map { ($0.key, $0.value) }))
            guard plan.encoder.write(input, into: &state.input) else {
                throw LuaFault(kind: .error, line: 0, message: "the input does not fit the hook", path: "")
            }
            let answer = try state.ask(unit, plan.definition.name, seed: 1)
            let shown = answer.plain?.plainText ?? PolicyReply.content(answer, plan).shown
            return shown + (state.fuel > 0 ? "  (fuel \(state.fuel))" : "")
        }
    }
}

extension String {
    fileprivate var trimmingSpaces: String {
        var text = Substring(self)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
