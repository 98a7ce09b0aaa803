package enum ProjectMark {}
package enum ProjectFileMark {}
package enum FileObjectMark {}
package typealias ProjectID = Identifier<ProjectMark>
package typealias ProjectFileID = Identifier<ProjectFileMark>
/// One content of one file, from its declaration until the store has let it go.
package typealias FileObjectID = Identifier<FileObjectMark>

/// Projects → Webhooks: what was done to a project.
package struct ProjectChanged: PlatformEvent {
    package static let topic = "projects.project_changed"
    package static let summary = "A project was made, changed, shared otherwise, archived, reopened, deleted, restored or purged."
    package enum Step: String, Codable, Sendable, CaseIterable {
        case created, updated, shared, archived, reopened, deleted, restored, purged
    }
    package var tenant: TenantID
    package var project: ProjectID
    package var step: Step
    package init(tenant: TenantID, project: ProjectID, step: Step) {
        self.tenant = tenant
        self.project = project
        self.step = step
    }
}

/// Projects → Webhooks: a file has another content, or is gone. Its name is looked up by whoever may.
package struct ProjectFileChanged: PlatformEvent {
    package static let topic = "projects.file_changed"
    package static let summary = "A version of a file was stored, or the file was removed."
    package enum Step: String, Codable, Sendable, CaseIterable { case stored, removed }
    package var tenant: TenantID
    package var project: ProjectID
    package var file: ProjectFileID
    package var step: Step
    package var version: Int
    package var bytes: Int64
    /// SHA-256, as `hash` of the API.
    package var hash: String
    package init(tenant: TenantID, project: ProjectID, file: ProjectFileID, step: Step, version: Int, bytes: Int64, hash: String) {
        self.tenant = tenant
        self.project = project
        self.file = file
        self.step = step
        self.version = version
        self.bytes = bytes
        self.hash = hash
    }
}
