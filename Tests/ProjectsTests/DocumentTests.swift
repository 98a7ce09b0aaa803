import Foundation
import Testing
import Vocabulary

@testable import Projects

@Suite("Projects: documents")
struct DocumentTests {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    @Test("the README shows both lives as they are declared")
    func readme() throws {
        let readme = try String(contentsOf: Self.root.appendingPathComponent("Sources/Projects/README.md"), encoding: .utf8)
        for life in [projectLifecycle as any DeclaredLifecycle, fileObjectLifecycle] {
            #expect(readme.contains("```mermaid\n\(life.diagram)\n```"), "expected:\n\(life.diagram)")
            #expect(readme.contains("\n\(life.table)\n"), "expected:\n\(life.table)")
        }
    }

    @Test("the page names every problem that a customer of files meets, every role and every permission")
    func page() throws {
        let page = try String(contentsOf: Self.root.appendingPathComponent("docs/explanation/projects.md"), encoding: .utf8)
        for permission in ProjectPermissions.all { #expect(page.contains("`\(permission)`"), "\(permission)") }
        for problem in [
            ProjectProblems.bytesFull, ProjectProblems.projectsFull, ProjectProblems.mismatch, ProjectProblems.incomplete,
            ProjectProblems.store,
            ProjectProblems.address,
        ] { #expect(page.contains("`\(problem.code)`"), "\(problem.code)") }
        for setting in ["projects.upload_hours", "projects.deleted_days", "projects.address_seconds"] {
            #expect(ProjectSettings.all.contains { $0.path == setting } && page.contains("`\(setting)`"))
        }
    }
}
