import Vocabulary

package enum DataRequestPermissions {
    package static let staff = Permission(
        "staff:data_requests", "See what people ask for by data protection law, and answer what the platform does not by itself.",
        delegates: .none, isSensitive: true)
    package static let all = [staff]
}
