import Vocabulary

private func text(_ time: Timestamp?) -> JSONValue { time.map { .string($0.iso8601) } ?? .null }
private func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

extension Provisioning.Shown {
    /// As the API and the export show it: no address, no secret.
    package var json: JSONValue {
        let one = workstation
        return [
            "id": .string(one.id.description), "user_id": .string(one.user.description), "state": .string(one.state.rawValue),
            "wish": .string(one.wish.rawValue), "machine_type": .string(one.size.machine), "disk_bytes": .int(one.size.diskBytes),
            "idle_timeout_seconds": .int(one.size.idleSeconds), "note": .string(one.note), "active_at": text(one.activeAt),
            "stops_at": one.wish == .running ? text(one.idleAt) : .null, "retry_at": text(one.work == nil ? nil : one.nextAt),
            "work": text(one.work?.rawValue),
            "steps": .array(steps.map { ["name": .string($0.name), "at": text($0.at)] }), "created_at": text(one.createdAt),
            "changed_at": text(one.changedAt),
        ]
    }
}

extension Provisioning.Progress {
    package var json: JSONValue {
        [
            "id": .string(plan.id.description), "cause": .string(plan.cause.rawValue), "tier": .string(plan.tier),
            "state": .string(plan.state.rawValue), "note": .string(plan.note), "namespace": text(namespace),
            "disk_bytes": diskBytes.map { .int($0) } ?? .null, "first_key_waits": .bool(keyWaits),
            "steps": .array(
                steps.map { ["action": .string($0.action), "state": .string($0.state.rawValue), "at": text($0.at)] }),
            "created_at": text(plan.createdAt), "finished_at": text(plan.finishedAt),
        ]
    }
}
