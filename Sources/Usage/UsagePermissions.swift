import Vocabulary

package enum UsagePermissions {
    package static let read = Permission("usage:read", "See what was used of each quota.")
    package static let write = Permission("usage:write", "Report what was used.", delegates: .keys)
    package static let all = [read, write]
}
