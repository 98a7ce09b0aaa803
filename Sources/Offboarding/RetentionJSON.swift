import Store
import Vocabulary

extension RetentionKind {
    /// As the API and the command tell it, with the settings in force.
    package func json(_ settings: Settings) -> JSONValue {
        [
            "kind": .string(name), "summary": .string(summary), "whose": .string(owner.rawValue),
            "tables": .array(tables.map { .string($0) }),
            "duties": .array(
                duties.map { duty in
                    [
                        "ground": .string(duty.ground.rawValue), "why": .string(duty.why), "from": .string(duty.from),
                        "seconds": duty.length.lifetime == nil ? .int(duty.length.span(settings).wholeSeconds) : .null,
                        "lasts": duty.length.lifetime.map { .string($0.rawValue) } ?? .null,
                        "settings": .array(duty.length.settings.map { .string($0) }),
                    ]
                }), "then": .string(end.rawValue), "by": job.map { .string($0.name) } ?? .null,
            "is_bound_by_legal_holds": .bool(isBoundByHolds), "not_bound_because": spared.map { .string($0) } ?? .null,
            "can_be_lengthened": .bool(canBeLengthened), "can_be_explained": .bool(probe != nil),
        ]
    }
}

extension RetentionBook.Explained {
    package var json: JSONValue {
        [
            "kind": .string(kind.name), "id": .string(id), "tenant_id": tenant.map { .string($0.description) } ?? .null,
            "stays_until": Self.moment(verdict.until), "is_held": .bool(verdict.isHeld),
            "reasons": .array(
                verdict.reasons.enumerated().map { place, reason in
                    [
                        "ground": .string(reason.ground), "why": .string(reason.why), "from": .string(reason.from),
                        "begins_at": reason.begins.map { .string($0.iso8601) } ?? .null, "until": Self.moment(reason.until),
                        "open": Self.words(reason.until), "is_longest": .bool(place == verdict.longest),
                    ]
                }), "then": .string(kind.end.rawValue), "by": kind.job.map { .string($0.name) } ?? .null,
            "taken_at": verdict.takenAt.map { .string($0.iso8601) } ?? .null,
        ]
    }
    private static func moment(_ until: RetentionVerdict.Until) -> JSONValue {
        if case .at(let moment) = until { .string(moment.iso8601) } else { .null }
    }
    private static func words(_ until: RetentionVerdict.Until) -> JSONValue {
        if case .open(let words) = until { .string(words) } else { .null }
    }
}

extension TenantKeep {
    package var json: JSONValue {
        [
            "id": .string(id.description), "kind": .string(kind), "days": days.map { .int(Int64($0)) } ?? .null, "why": .string(why),
            "since": .string(since.iso8601),
        ]
    }
}
