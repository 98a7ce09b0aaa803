import KeyValueRedis
import Vocabulary

/// Settings of the whole, which no single room owns.
package enum PlatformSettings {
    package static let brand = Setting(
        "brand.name", default: "CODITECT", range: "1 to 60 characters", accepts: { (1...60).contains($0.count) },
        reason: "The name on pages and in mails; another company runs the same binary under its own.")
    package static let logLevel = Setting(
        "log.level", default: "info", range: "debug, info, notice, warning, error",
        accepts: { ["debug", "info", "notice", "warning", "error"].contains($0) }, reason: "What is written to standard error.")
    package static let databaseURL = Setting(
        "database.url", default: "", range: "empty, or postgresql://…",
        accepts: { $0.isEmpty || $0.hasPrefix("postgresql://") || $0.hasPrefix("postgres://") },
        reason:
            "Empty: SQLite in the data directory. Else libpq's URI of a PostgreSQL database that 'coditectd migrate up' made, whose TLS it "
            + "says too (sslmode=verify-full). Serve with a login that row-level security holds.",
        environment: "DATABASE_URL", isSecret: true)
    package static let redisURL = Setting(
        "redis.url", default: "", range: "empty, or redis://…, rediss://…, redis+unix://…, redis+sentinel://…, redis+cluster://…",
        accepts: { $0.isEmpty || (try? RedisOptions(url: $0)) != nil },
        reason: "Empty: limits and the ends of leases are kept in process and in the database. Else where processes share them; see "
            + "docs/how-to/redis.md.",
        environment: "REDIS_URL", isSecret: true)

    package static let replicas = Setting<[String]>(
        "store.replicas", default: [], range: "URIs as database.url, one server each",
        accepts: { $0.allSatisfy { $0.hasPrefix("postgresql://") || $0.hasPrefix("postgres://") } },
        reason:
            "Streaming standbys of database.url: they answer what staff lists and reports read. One that is behind or away is not waited "
            + "for; see docs/how-to/postgresql.md.",
        isSecret: true)
    package static let replicaLag = Setting(
        "store.replica_lag_seconds", default: 5, in: 1...300,
        reason:
            "How old an answer of a standby may be: one that has not yet replayed what the primary had written that long ago is not asked.")
    package static let journalDays = Setting(
        "store.journal_days", default: 731, range: "365 to 36500", accepts: { (365...36_500).contains($0) },
        reason: "How many days the audit log is kept: two years, a leap year's day with them. Older entries go from its front, under a "
            + "signed checkpoint that says so; one that no checkpoint covers stays.")

    package static let tracesEndpoint = Setting(
        "traces.endpoint", default: "", range: "empty, or http://… or https://…", accepts: { TraceExport.address($0) != nil || $0.isEmpty },
        reason: "Where spans go: an OpenTelemetry collector that takes OTLP over HTTP, /v1/traces is added. Empty: no traces are made.",
        environment: "OTEL_EXPORTER_OTLP_ENDPOINT")
    package static let tracesHeaders = Setting(
        "traces.headers", default: "", range: "name=value, several by commas, values percent-encoded",
        accepts: { TraceExport.headers($0) != nil }, reason: "Sent along with spans, for collectors that want a key.",
        environment: "OTEL_EXPORTER_OTLP_HEADERS", isSecret: true)
    package static let tracesService = Setting(
        "traces.service", default: "coditectd", range: "1 to 100 characters", accepts: { (1...100).contains($0.count) },
        reason: "The service's name in traces.", environment: "OTEL_SERVICE_NAME")
    package static let tracesPerThousand = Setting(
        "traces.per_thousand", default: 1_000, range: "0 to 1000", accepts: { (0...1_000).contains($0) },
        reason: "How many of a thousand new traces are kept. All, so that whoever tries it sees them; under load a few per thousand tell "
            + "as much. What a listed proxy says of its own traces goes before.")

    package static let policyShadow = Setting(
        "policies.shadow", default: "", range: "empty, or a folder of policies", accepts: { !$0.contains("\0") },
        reason:
            "A candidate that decides beside the policies in force, seen by nobody who asks; GET /api/v1/policies tells the differences.")

    package static let policyPromotes = Setting(
        "policies.promote_shadow", default: false, range: "true or false", accepts: { _ in true },
        reason: "A candidate that proves fit takes the place of the policies in force by itself. Off: somebody decides, with the report.")
    package static let policyShadowDecisions = Setting(
        "policies.shadow_decisions", default: 1_000, range: "10 to 10000000", accepts: { (10...10_000_000).contains($0) },
        reason: "How many decisions a candidate must have been asked before it is called fit or unfit.")
    package static let policyShadowFlips = Setting(
        "policies.shadow_flips_basis_points", default: 100, range: "0 to 10000", accepts: { (0...10_000).contains($0) },
        reason: "How many of ten thousand a fit candidate may answer otherwise.")
    package static let policyShadowFailures = Setting(
        "policies.shadow_failures", default: 0, range: "0 to 1000000", accepts: { (0...1_000_000).contains($0) },
        reason: "How often a fit candidate may fail where the policies in force do not.")
    package static let policyProbation = Setting(
        "policies.probation_decisions", default: 1_000, range: "1 to 10000000", accepts: { (1...10_000_000).contains($0) },
        reason: "A set that has just gone live has proved itself after so many decisions.")
    package static let policyProbationFailures = Setting(
        "policies.probation_failures", default: 10, range: "0 to 1000000", accepts: { (0...1_000_000).contains($0) },
        reason: "When more of those decisions fail, the set before comes back, and stays over restarts until the folder changes.")

    package static let all: [AnySetting] = [
        policyShadow.erased, policyPromotes.erased, policyShadowDecisions.erased, policyShadowFlips.erased, policyShadowFailures.erased,
        policyProbation.erased, policyProbationFailures.erased, brand.erased, logLevel.erased, databaseURL.erased, redisURL.erased,
        replicas.erased, replicaLag.erased, journalDays.erased, tracesEndpoint.erased, tracesHeaders.erased, tracesService.erased,
        tracesPerThousand.erased,
    ]
}
