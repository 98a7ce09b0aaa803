import Vocabulary

package enum ProjectSettings {
    package static let store = Setting(
        "projects.file_store", default: "local-files", range: "a plugin of the kind file_store",
        accepts: { (1...100).contains($0.utf8.count) },
        reason: "Where new files go. Files stay where they were put: the plugin before must go on until they are gone.")
    package static let bytes = Setting<Int>(
        "projects.storage_bytes", default: 10_737_418_240, in: 0...1_125_899_906_842_624,
        reason: "What a tenant's files may take together where its tier grants no storage_bytes.")
    package static let keepDays = Setting<Int>(
        "projects.deleted_days", default: 30, in: 0...3_650,
        reason: "How long a deleted project can be restored; then its files are destroyed.")
    package static let versions = Setting<Int>(
        "projects.kept_versions", default: 20, in: 1...1_000, reason: "Versions of a file that are kept, the newest with them.")
    package static let addressSeconds = Setting<Int>(
        "projects.address_seconds", default: 900, in: 10...86_400,
        reason: "How long an address for one file works; nobody can call it back where the store made it.")
    package static let uploadHours = Setting<Int>(
        "projects.upload_hours", default: 24, in: 1...168, reason: "Within this an upload is completed; then what came of it is removed.")
    package static let all: [AnySetting] = [
        store.erased, bytes.erased, keepDays.erased, versions.erased, addressSeconds.erased, uploadHours.erased,
    ]
}
