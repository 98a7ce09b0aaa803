import Foundation
import Testing

/// The page of races and abuse promises a test for each case.
struct RacesTests {
    @Test("each case of the page names a test that is there")
    func cases() throws {
        let page = try House.text("docs/explanation/races-and-abuse.md")
        let tests = try House.files("Tests", endings: ["swift"]).map(\.text).joined(separator: "\n")
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| ") && !$0.hasPrefix("| ---") && !$0.hasSuffix("shown by |") }
        #expect(rows.count >= 40)
        for row in rows {
            let last = try #require(row.split(separator: "|").last { $0.contains(where: { $0 != " " }) })
            let named = last.trimmingCharacters(in: .whitespaces)
            if named.hasPrefix("\"") {
                #expect(tests.contains("@Test(\(named)") || tests.contains("        \(named),\n"), "no test is called \(named)")
            } else {
                #expect(House.exists(named.filter { $0 != "`" }), "\(named) is not there")
            }
        }
    }
}
