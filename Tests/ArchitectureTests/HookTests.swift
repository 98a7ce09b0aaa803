import Foundation
import Testing

@Suite("the reference does not lie about hooks")
struct HookTests {
    @Test("a hook is asked by somebody, or says that it is not asked yet")
    func asked() throws {
        let files = try House.files("Sources", endings: ["swift"])
        let declaration = try Regex(#"enum (\w+): (?:Decide|Plan)Hook \{"#)
        var seen = 0
        for file in files {
            for match in file.text.matches(of: declaration) {
                let name = String(match.output[1].substring ?? "")
                let rest = file.text[match.range.upperBound...]
                let body =
                    rest.range(of: "enum \\w+: (?:Decide|Plan)Hook", options: .regularExpression).map { rest[..<$0.lowerBound] } ?? rest
                let callers = files.filter {
                    $0.text.contains("\(name).self") && !$0.path.contains("coditectd") && !$0.name.hasPrefix("Policy")
                }
                #expect(callers.isEmpty == body.contains("isAsked: false"), "\(name) in \(file.path)")
                seen += 1
            }
        }
        #expect(seen >= 12)
    }
}
