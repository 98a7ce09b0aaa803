import Store

/// What the room keeps, and how long.
package enum DataRequestRetention {
    package static let kinds = [
        RetentionKind(
            "data_requests", "Requests of people over their data, and what became of them; what was written is sealed for the person",
            .person, tables: ["data_request"],
            [
                .lasting(
                    .platform, "that it was answered in time has to be shown (GDPR article 5 (2)); bare once the person is erased", .law)
            ],
            end: .anonymised, probe: RetentionProbe("data_request", .ofPlatform, by: "request_id")),
        RetentionKind(
            "consents", "What a person agreed to, and took back", .person, tables: ["consent_record"],
            [.lasting(.platform, "consent has to be shown (GDPR article 7 (1)); bare once the person is erased", .law)],
            end: .anonymised),
    ]
}
