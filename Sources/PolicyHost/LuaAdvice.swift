import HookEngine

/// What would be right, added to what Lua says is wrong. Looks at the author's line; where it does not know, it says nothing.
enum LuaAdvice {
    // MARK: What does not compile

    /// For a fault of the compiler at this line.
    static func syntax(_ source: String, line: Int, message: String) -> (line: Int, advice: String)? {
        let words = LuaTokens.read(source)
        let lines = source.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
        let text = lines.indices.contains(line - 1) ? String(lines[line - 1]) : ""
        if message.contains("C stack overflow") {
            let found = fault(source)
            return (found?.line ?? line, "it is nested too deeply: at most 190 brackets and blocks within each other")
        }
        if let stranger = stranger(text) { return (line, stranger) }
        let here = words.filter { $0.line == line }
        if let advice = word(here, text) ?? sign(here, text) { return (line, advice) }
        // A word that Lua does not have may have been taken for a name one line before.
        if let last = words.last(where: { $0.line < line }), let advice = word([last], "") { return (last.line, advice) }
        if let fault = fault(source), fault.message.contains("has no end") {
            return (line, fault.line == line ? fault.message : "\(fault.message): line \(fault.line)")
        }
        if let other = elseIf(words, upTo: line) {
            return (line, "write elseif at line \(other): else if opens a block that needs an end of its own")
        }
        if message.contains("near 'end'") { return (line, "there is an end too many, or one of then, do and function is missing above it") }
        if message.contains("expected (to close '{'"), !message.contains("<eof>") { return (line, "is a comma missing before it?") }
        if words.first?.kind == .sign("{"), words.first?.line == line { return (line, "write return before the table") }
        if let open = open(words, at: line), message.contains("near ','") || message.contains("near '}'") || message.contains("<eof>") {
            return (line, "the \(open.name) of line \(open.line) has no end yet")
        }
        return nil
    }

    private static func fault(_ source: String) -> LuaLexer.Fault? {
        do throws(LuaLexer.Fault) {
            _ = try LuaParser.parse(source)
            return nil
        } catch {
            return error
        }
    }

    /// A sign that looks like one of Lua's and is none: from a word processor or a web page.
    private static func stranger(_ text: String) -> String? {
        var quote: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            if scalar == quote { quote = nil } else if quote == nil, scalar == "\"" || scalar == "'" { quote = scalar }
            guard quote == nil, !scalar.isASCII || scalar.value == 0 else { continue }
            let code =
                "U+" + String(repeating: "0", count: max(0, 4 - String(scalar.value, radix: 16).count))
                + String(scalar.value, radix: 16, uppercase: true)
            switch scalar.value {
            case 0x2018, 0x2019, 0x201C, 0x201D, 0x201E, 0x00AB, 0x00BB: return "\(code) is a typographic quote; write \" or '"
            case 0x00A0, 0x2007, 0x202F, 0x200B, 0xFEFF: return "\(code) is a blank that Lua does not know; write a plain one"
            case 0x2013, 0x2014, 0x2212: return "\(code) is a dash; write -"
            default: return "\(code) is no sign of Lua outside a text or a comment"
            }
        }
        return nil
    }

    private static func word(_ words: [LuaTokens.Token], _ text: String) -> String? {
        for (index, word) in words.enumerated() {
            guard case .name(let name) = word.kind else { continue }
            let next = index + 1 < words.count ? words[index + 1].kind : nil
            switch name {
            case "continue": return "Lua has no continue: turn the condition round, or write goto next and ::next:: at the loop's end"
            case "switch", "case": return "Lua has no switch: write if … then … elseif … then … end"
            case "const", "let", "var": return "write local: Lua has no \(name)"
            case "try", "catch": return "Lua has no try: write local ok, result = pcall(function() … end)"
            case "import", "require", "include": return "there is nothing to import: policies have the functions of docs/reference/hooks.md"
            case "def", "func", "fn": return "write function: Lua has no \(name)"
            case "elif", "elsif": return "write elseif"
            case "if", "while":
                let isBraced = text.contains("{") && !words.contains { $0.kind == .name("then") || $0.kind == .name("do") }
                if isBraced { return "write \(name) … \(name == "if" ? "then" : "do") … end: Lua has no braces around blocks" }
                if name == "if", isAssigned(words[index...]) { return "write == to compare: = assigns" }
            default: if next == .sign("?") { return "write condition and one or other: Lua has no ? :" }
            }
        }
        return nil
    }
    private static func isAssigned(_ words: ArraySlice<LuaTokens.Token>) -> Bool {
        let kinds = words.map(\.kind)
        for index in kinds.indices.dropFirst().dropLast() where kinds[index] == .sign("=") {
            if kinds[index] == .name("then") { return false }
            let around = [kinds[index - 1], kinds[index + 1]]
            if !around.contains(.sign("=")), !around.contains(.sign("!")), !around.contains(.sign("~")), !around.contains(.sign("<")),
                !around.contains(.sign(">"))
            {
                return !kinds[..<index].contains(.name("then"))
            }
        }
        return false
    }

    private static func sign(_ words: [LuaTokens.Token], _ text: String) -> String? {
        let kinds = words.map(\.kind)
        for (left, right) in zip(kinds, kinds.dropFirst()) {
            guard case .sign(let first) = left else { continue }
            if case .sign(let second) = right {
                switch "\(first)\(second)" {
                case "!=": return "write ~= for is not"
                case "&&": return "write and: Lua has no &&"
                case "||": return "write or: Lua has no ||"
                case "++", "--": return "write n = n + 1: Lua has no \(first)\(second)"
                case "+=", "-=", "*=", "/=", "%=": return "write n = n \(first) …: Lua has no \(first)="
                case "//" where text.split(separator: "/").first?.allSatisfy(\.isWhitespace) ?? true: return "write -- before a comment"
                case "/*": return "write --[[ … ]] around a comment"
                case "=>": return "write >= or function(…) … end: Lua has no =>"
                default: break
                }
            }
            if first == "!" { return "write not: Lua has no !" }
            if first == "?" { return "write condition and one or other: Lua has no ? :" }
            if first == ":", kinds.contains(.name("request")) || kinds.contains(.name("settings")) {
                return "a field is read with a dot, request.user.role; a colon calls a method, text:sub(1, 3)"
            }
        }
        return nil
    }

    private static func elseIf(_ words: [LuaTokens.Token], upTo line: Int) -> Int? {
        zip(words, words.dropFirst()).first {
            $0.kind == .name("else") && $1.kind == .name("if") && $0.line == $1.line && $0.line <= line
        }?.0.line
    }

    /// The innermost block that is open where this line begins.
    private static func open(_ words: [LuaTokens.Token], at line: Int) -> (name: String, line: Int)? {
        var stack: [(name: String, line: Int)] = []
        var awaitsDo = false
        for word in words where word.line < line {
            guard case .name(let name) = word.kind else { continue }
            switch name {
            case "for", "while":
                stack.append((name, word.line))
                awaitsDo = true
            case "do":
                if !awaitsDo { stack.append((name, word.line)) }
                awaitsDo = false
            case "function", "if", "repeat": stack.append((name, word.line))
            case "end", "until": _ = stack.popLast()
            default: break
            }
        }
        return stack.last
    }

    // MARK: What fails when it runs

    private static let rules: [(has: [String], advice: String)] = [
        (
            ["attempt to compare", "nil"],
            "what may be absent is nil: ask for it first, or give a default, like (request.user.recent_devices or 0)"
        ),
        (["attempt to compare", "string", "number"], "compare a number with a number: write 8, not \"08:00\", or tonumber(text)"),
        (["attempt to compare", "table"], "compare a field of it: request.now has hour, weekday, epoch_seconds and more"),
        (["attempt to index a nil value", "'request'"], "request is given to the hook's function: outside of it there is none"),
        (
            ["attempt to index a nil value"],
            "what may be absent is nil: ask for it first, like request.subscription and request.subscription.tier"
        ),
        (
            ["attempt to call a nil value", "global"],
            "a local function is known below its own line only: declare it above, and see docs/reference/hooks.md for what is given"
        ),
        (["attempt to call a nil value"], "there is no such function: see docs/reference/hooks.md for what is given"),
        (["attempt to call a string value"], "it is a text, not a function: read it without ( )"),
        (["attempt to call"], "it is no function: read it without ( )"),
        (["attempt to concatenate a table"], "join one of its fields, not the table"),
        (["attempt to concatenate"], "join texts and numbers only; write tostring(…) or give a default"),
        (["attempt to perform arithmetic", "nil"], "what may be absent is nil: give a default, like (request.user.recent_devices or 0)"),
        (["attempt to perform arithmetic", "string"], "calculate with numbers: write tonumber(text)"),
        (["attempt to perform arithmetic"], "calculate with numbers"),
        (["on bad self"], "write text:sub(…), or string.sub(text, …): a colon gives what stands before it as the first argument"),
        (["a function is not accepted"], "call it: write deny(\"reason\") or allow{ }"),
        (["is not a whole number"], "answers take whole numbers only: money in minor units, ratios in basis points; write // to divide"),
        (["budget of instructions"], "does every loop end? A decision has 100,000 instructions"),
        (["budget of memory"], "does a table or a text grow without end? A decision has 8 MiB"),
        (["nested deeper"], "answer with a plain table"),
        (["stack overflow"], "a function calls itself without end"),
    ]

    /// For an error of a running policy; nil where its own words say it all.
    static func runtime(_ message: String) -> String? { rules.first { $0.has.allSatisfy(message.contains) }?.advice }

    /// `message; what would be right`.
    package static func advised(_ message: String) -> String { runtime(message).map { "\(message); \($0)" } ?? message }
}

/// Names of other languages, and of Lua's libraries that policies do not have.
enum ForeignName {
    static func advice(_ name: String) -> String? {
        switch name {
        case "null", "None", "undefined", "NULL", "nill": "write nil"
        case "True", "TRUE": "write true"
        case "False", "FALSE": "write false"
        case "this", "self": "the question is request, what init.lua sets is settings"
        case "os", "date", "time": "there is no clock but request.now"
        case "io", "file": "policies have no files: what they need is in request, settings and data"
        case "print", "warn", "console": "policies write nothing: see coditectd policy run for the lines that ran"
        case "require", "package", "load", "loadstring", "dofile", "loadfile": "policies load nothing: a policy is one file"
        case "coroutine", "debug", "collectgarbage": "policies do not have it: see docs/reference/hooks.md"
        case "input", "req", "ctx", "context", "event": "the question is the first argument, request"
        default: nil
        }
    }
}
