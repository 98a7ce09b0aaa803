import Vocabulary

package enum IdentitySettings {
    package static let tokenSeconds = Setting<Int>(
        "identity.access_token_seconds", default: 86_400, in: 60...604_800,
        reason: "Life of an access token: clients in the field carry one for a day. Rights are looked up at each use, not at issue.",
        environment: "JWT_EXPIRY")
    package static let sessionSeconds = Setting<Int>(
        "identity.session_seconds", default: 2_592_000, in: 3_600...31_536_000,
        reason: "The absolute cap of a session, however often its refresh token is rotated: 30 days.")
    package static let pageSessionSeconds = Setting<Int>(
        "identity.page_session_seconds", default: 43_200, in: 300...2_592_000,
        reason: "Life of a browser's session cookie: half a day.")
    package static let refreshGraceSeconds = Setting<Int>(
        "identity.refresh_grace_seconds", default: 30, in: 0...300,
        reason: "A client that lost the answer asks again with the old token and gets the same successor; later it counts as theft.")
    package static let lastUseSeconds = Setting<Int>(
        "identity.last_use_seconds", default: 900, in: 60...86_400,
        reason: "How old the last use shown in the session list may be: the price of showing it is one write in this time.")
    package static let verifySeconds = Setting<Int>(
        "identity.verify_link_seconds", default: 86_400, in: 600...604_800, reason: "Life of a link that proves an address: 24 h.")
    package static let resetSeconds = Setting<Int>(
        "identity.reset_link_seconds", default: 3_600, in: 300...86_400, reason: "Life of a link that sets a new password: 1 h.")
    package static let linksPerHour = Setting<Int>(
        "identity.links_per_hour", default: 5, in: 1...100,
        reason: "Mails with links of one kind to one person in an hour; more requests are accepted and send nothing.")
    package static let requireVerified = Setting<Bool>(
        "identity.require_verified_email", default: true, range: "true, false",
        reason: "Signing in needs a proved address, so that nobody holds a session under somebody else's.")
    package static let pilotSignup = Setting<Bool>(
        "identity.pilot_signup", default: true, range: "true, false",
        reason: "Whether pilot tiers may be chosen at sign-up; policy sees it and decides.", environment: "ENABLE_PILOT_SIGNUP")
    package static let pilotLimit = Setting<Int>(
        "identity.pilot_users_limit", default: 100, in: 0...1_000_000,
        reason: "How many pilot users there may be; policy sees it beside the number used and decides.", environment: "PILOT_USERS_LIMIT")

    package static let argonMemory = Setting<Int>(
        "identity.argon2_memory_kib", default: 19_456, in: 19_456...1_048_576,
        reason: "Memory of one password hash in KiB: OWASP's minimum of 19 MiB for two passes. Raising it re-hashes at the next sign-in.")
    package static let argonIterations = Setting<Int>(
        "identity.argon2_iterations", default: 2, in: 2...20, reason: "Passes over that memory: OWASP's minimum for 19 MiB.")
    package static let argonParallelism = Setting<Int>(
        "identity.argon2_parallelism", default: 1, in: 1...8, reason: "Lanes of one hash; more lanes help an attacker as much as us.")
    package static let hashThreads = Setting<Int>(
        "identity.hash_threads", default: 2, in: 1...64, reason: "Threads that hash passwords; each takes argon2_memory_kib while at work.")
    package static let hashQueue = Setting<Int>(
        "identity.hash_queue", default: 64, in: 1...10_000, reason: "Sign-ins that may wait for a hash; the next one is told to come back.")

    package static let lockFailures = Setting<Int>(
        "identity.lock_failures", default: 5, in: 1...100, reason: "Failures for one account from one network that lock the pair.")
    package static let lockSeconds = Setting<Int>(
        "identity.lock_seconds", default: 900, in: 1...86_400, reason: "How long that pair stays locked: 15 min.")
    package static let failureMemorySeconds = Setting<Int>(
        "identity.failure_memory_seconds", default: 3_600, in: 60...604_800,
        reason: "A failure is forgotten this long after the last attempt.")
    package static let pressureFailures = Setting<Int>(
        "identity.pressure_failures", default: 20, in: 5...10_000,
        reason: "Failures for one account from all networks within failure_memory_seconds after which unknown networks are slowed down.")
    package static let pressureMaxSeconds = Setting<Int>(
        "identity.pressure_max_seconds", default: 60, in: 1...3_600, reason: "The longest distance between two slowed attempts.")
    package static let knownNetworkDays = Setting<Int>(
        "identity.known_network_days", default: 90, in: 1...730,
        reason: "A network from which a person signed in this long ago is not slowed down by strangers' guesses.")

    package static let cacheEntries = Setting<Int>(
        "identity.cache_entries", default: 20_000, in: 0...1_000_000,
        reason: "Sessions and users kept in memory, exact while one process writes; 0 reads the store at each request.")
    package static let sessionRetentionDays = Setting<Int>(
        "identity.session_retention_days", default: 90, in: 1...730, reason: "How long ended sessions stay listed for audit: 90 days.")

    package static let all: [AnySetting] = [
        tokenSeconds.erased, sessionSeconds.erased, pageSessionSeconds.erased, refreshGraceSeconds.erased, lastUseSeconds.erased,
        verifySeconds.erased, resetSeconds.erased, linksPerHour.erased, requireVerified.erased, pilotSignup.erased, pilotLimit.erased,
        argonMemory.erased, argonIterations.erased, argonParallelism.erased, hashThreads.erased, hashQueue.erased, lockFailures.erased,
        lockSeconds.erased, failureMemorySeconds.erased, pressureFailures.erased, pressureMaxSeconds.erased, knownNetworkDays.erased,
        cacheEntries.erased, sessionRetentionDays.erased,
    ]
}

extension Settings {
    func seconds(_ setting: Setting<Int>) -> Duration { .seconds(Int64(self[setting])) }
}
