import Vocabulary

/// The regions of one platform: a process serves one, its own, and knows where the others are.
package enum RegionSettings {
    package static let directory = Setting<String>(
        "regions.directory", default: "", range: "empty, a file's path, or postgresql://…",
        reason: "The directory that all regions share: tenant to region, keyed digest of a mail address to region and account. Empty: this "
            + "region is alone. A file serves processes of one machine; regions apart share a PostgreSQL database of its own.",
        isSecret: true)
    package static let directoryKeyFile = Setting<String>(
        "regions.directory_key_file", default: "", range: "a path",
        reason: "32 bytes as 64 hexadecimal digits, the same in every region, never changed: under them the directory's digests are made.")
    package static let relayKeyFiles = Setting<[String]>(
        "regions.relay_key_files", default: [], range: "paths",
        reason:
            "As directory_key_file, the same in every region: what one region passes on to another is signed with the first and accepted "
            + "with any, so that keys change without a pause.")
    package static let offered = Setting<[String]>(
        "regions.offered", default: [], range: "us, eu, apac",
        accepts: { $0.allSatisfy { Region(rawValue: $0) != nil } },
        reason: "Which a sign-up may choose. Empty: every one that has a url.")
    package static let passSeconds = Setting<Int>(
        "regions.pass_seconds", default: 15, in: 1...25,
        reason: "How long an answer of another region is waited for; under http.handler_timeout_seconds.")
    package static let passBytes = Setting<Int>(
        "regions.pass_bytes", default: 8_388_608, in: 65_536...67_108_864,
        reason: "How long an answer is that one region passes on for another; longer ones are fetched from the region itself.")
    package static let mostPassing = Setting<Int>(
        "regions.most_passing", default: 256, in: 1...10_000,
        reason: "Requests under way to other regions; more are refused, so that a region that hangs keeps no other busy.")
    package static let claimSeconds = Setting<Int>(
        "regions.claim_seconds", default: 120, in: 5...3_600,
        reason:
            "How long an account may take to be made after its address was claimed; then the claim is given back. Above "
            + "http.handler_timeout_seconds.")

    private static func isOrigin(_ text: String) -> Bool { text.isEmpty || WebOrigin(text)?.description == text }
    private static func address(_ region: Region, _ name: String, _ reason: String) -> Setting<String> {
        Setting(
            "regions.\(region.rawValue).\(name)", default: "", range: "empty, or a scheme and authority such as https://eu.example.com",
            accepts: isOrigin, reason: reason)
    }
    private static let urls = Dictionary(
        uniqueKeysWithValues: Region.allCases.map { ($0, address($0, "url", "What clients call the region \($0.rawValue).")) })
    private static let internals = Dictionary(
        uniqueKeysWithValues: Region.allCases.map {
            (
                $0,
                address(
                    $0, "internal_url",
                    "Where other regions reach it, over a private network or TLS. Empty: at its url.")
            )
        })
    package static func url(_ region: Region) -> Setting<String> { urls[region]! }  // one for each case
    package static func internalURL(_ region: Region) -> Setting<String> { internals[region]! }  // one for each case

    package static let all: [AnySetting] =
        [
            directory.erased, directoryKeyFile.erased, relayKeyFiles.erased, offered.erased, passSeconds.erased, passBytes.erased,
            mostPassing.erased, claimSeconds.erased,
        ] + Region.allCases.flatMap { [url($0).erased, internalURL($0).erased] }
}
