import Vocabulary

package enum ProjectPermissions {
    package static let read = Permission(
        "projects:read", "See the projects that are shared with the caller, or named by the membership, and the names of their files.")
    package static let manage = Permission(
        "projects:manage", "Make, rename, share, archive, delete and restore projects.", delegates: .keys)
    package static let readFiles = Permission("files:read", "Read the files of projects within reach.")
    package static let writeFiles = Permission("files:write", "Add, replace and remove files of projects within reach.", delegates: .keys)
    package static let all = [read, manage, readFiles, writeFiles]
}
