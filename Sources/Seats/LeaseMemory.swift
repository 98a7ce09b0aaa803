import KeyValue
import Vocabulary

/// The ends of a tenant's leases in the shared store, and the scripts over them.
///
/// Three keys with the tenant as their hash tag: `live`, a sorted set of sessions by their end in ledger time; `dead`, those that were
/// found past their end and that the Store has not heard of yet; `held`, what each stands for. Each answer begins with whether the
/// marker is the tenant's: where it is not, the store knows nothing, and nothing is changed. Redis' own clock is never read: the
/// scripts take the later of the ledger time given and the latest that they were given before.
package struct LeaseMemory: Sendable {
    /// What the Store knows that is meant to stand here.
    struct Marker: Sendable, Hashable {
        let generation: Int64
        let token: Int64
        var text: String { "\(generation):\(token)" }
    }
    /// A lease past its end, not to be revived here.
    struct Dead: Sendable, Hashable {
        let session: Lease.ID
        let held: Int64
        let end: LedgerTime
    }
    enum Beaten: Sendable, Hashable {
        case alive(held: Int64, at: LedgerTime)
        /// Past its end, or never heard of.
        case other
    }
    struct Settled: Sendable, Hashable {
        var own: (held: Int64, end: LedgerTime)?
        var next: LedgerTime?
        var dead: [Dead] = []
        static func == (left: Self, right: Self) -> Bool {
            left.own?.held == right.own?.held && left.own?.end == right.own?.end && left.next == right.next && left.dead == right.dead
        }
        func hash(into hasher: inout Hasher) { hasher.combine(dead) }
    }
    /// An answer and the memory that gave it; nil: the marker is not there.
    typealias Told<Value> = (value: Value?, memory: String)
    struct Malformed: Error {}

    let scripts: any ScriptRunner
    /// Dead ones of one answer.
    static let most = 128

    private func run(
        _ script: Script, _ tenant: TenantID, _ marker: Marker, _ now: LedgerTime, _ rest: [ScriptArgument] = []
    ) async throws -> (list: [ScriptValue]?, memory: String) {
        let tag = "seat:{\(tenant)}:"
        let answer = try await scripts.run(
            script, keys: [tag + "live", tag + "held", tag + "dead"], [.text(marker.text), .integer(now.microseconds)] + rest)
        guard let list = answer.value.list, let isKnown = list.first?.integer else { throw Malformed() }
        return (isKnown == 1 ? list : nil, answer.memory)
    }

    func beat(_ session: Lease.ID, _ tenant: TenantID, _ marker: Marker, _ now: LedgerTime) async throws -> Told<Beaten> {
        let (list, memory) = try await run(Self.beat, tenant, marker, now, [.text(session.description)])
        guard let list else { return (nil, memory) }
        guard list.count == 3, let held = list[1].integer, let at = list[2].integer else { return (.other, memory) }
        return (.alive(held: held, at: LedgerTime(microseconds: at)), memory)
    }

    /// Ends here what is past its end, so that no beat prolongs it any more, and tells of all that the Store has not heard of.
    func settle(_ own: Lease.ID?, _ tenant: TenantID, _ marker: Marker, _ now: LedgerTime) async throws -> Told<Settled> {
        let (list, memory) = try await run(
            Self.settle, tenant, marker, now, [.text(own?.description ?? ""), .integer(Int64(Self.most))])
        guard let list else { return (nil, memory) }
        guard list.count >= 4, list.count % 3 == 1, let next = list[1].integer, let held = list[2].integer, let end = list[3].integer else {
            throw Malformed()
        }
        var settled = Settled(next: next > 0 ? LedgerTime(microseconds: next) : nil)
        if held > 0 { settled.own = (held, LedgerTime(microseconds: end)) }
        for place in stride(from: 4, to: list.count, by: 3) {
            guard let session = list[place].bytes.flatMap({ Lease.ID(String(decoding: $0, as: UTF8.self)) }),
                let held = list[place + 1].integer, let end = list[place + 2].integer
            else { throw Malformed() }
            settled.dead.append(Dead(session: session, held: held, end: LedgerTime(microseconds: end)))
        }
        return (settled, memory)
    }

    /// Nothing of the tenant stays here.
    func wipe(_ tenant: TenantID) async throws {
        let tag = "seat:{\(tenant)}:"
        _ = try await scripts.run(Self.wiping, keys: [tag + "live", tag + "held", tag + "dead"], [])
    }

    struct Entry: Sendable {
        let session: Lease.ID
        let held: Int64
        let ttl: Duration
        let end: LedgerTime
    }
    /// Writes a lease down, and forgets the dead that the Store has heard of.
    func enter(
        _ entry: Entry?, forgetting dead: [Dead], _ tenant: TenantID, _ marker: Marker, _ now: LedgerTime
    ) async throws -> Told<Bool> {
        var rest: [ScriptArgument] = [.text(""), .text("0"), .text("0"), .text("0")]
        if let entry {
            rest = [
                .text(entry.session.description), .integer(entry.held), .integer(entry.ttl.microseconds),
                .integer(entry.end.microseconds),
            ]
        }
        for one in dead { rest += [.text(one.session.description), .integer(one.held)] }
        let (list, memory) = try await run(Self.enter, tenant, marker, now, rest)
        return (list.map { _ in true }, memory)
    }

    /// Begins anew under `marker`, unless a later one is there.
    func open(_ tenant: TenantID, _ marker: Marker, _ now: LedgerTime) async throws -> Told<Bool> {
        let (list, memory) = try await run(Self.open, tenant, marker, now, [.integer(marker.token)])
        return (list.map { _ in true }, memory)
    }

    /// The ends of these sessions, where they are known.
    func ends(_ sessions: [Lease.ID], _ tenant: TenantID, _ marker: Marker, _ now: LedgerTime) async throws -> Told<[LedgerTime?]> {
        let (list, memory) = try await run(Self.ends, tenant, marker, now, sessions.map { .text($0.description) })
        guard let list else { return (nil, memory) }
        guard list.count == sessions.count + 1 else { throw Malformed() }
        return (list.dropFirst().map { $0.integer.flatMap { $0 > 0 ? LedgerTime(microseconds: $0) : nil } }, memory)
    }

    // MARK: Scripts

    private static let begin = """
        local live, held, dead = KEYS[1], KEYS[2], KEYS[3]
        local function whole(number) return string.format('%.0f', number) end
        local marker, latest = unpack(redis.call('HMGET', held, 'marker', 'now'))
        if marker ~= ARGV[1] or not redis.call('ZSCORE', live, 'marker ' .. ARGV[1]) then return {0} end
        local now = tonumber(ARGV[2])
        latest = tonumber(latest or '0')
        if latest > now then now = latest elseif now > latest then redis.call('HSET', held, 'now', whole(now)) end
        local function stands(session) return string.match(redis.call('HGET', held, session) or '', '^(%d+) (%d+)$') end
        local function die(session, score)
            redis.call('ZREM', live, session)
            redis.call('ZADD', dead, score, session)
        end

        """
    package static let beat = Script(
        "seats-beat",
        begin + """
            local score = tonumber(redis.call('ZSCORE', live, ARGV[3]) or '0')
            local number, ttl = stands(ARGV[3])
            if score == 0 or not number then return {1} end
            if score <= now then
                die(ARGV[3], score)
                return {1}
            end
            local ends = now + tonumber(ttl)
            if ends > score then redis.call('ZADD', live, ends, ARGV[3]) end
            return {1, number, whole(now)}
            """)
    static let settle = Script(
        "seats-settle",
        begin + """
            local own = {'0', '0'}
            if ARGV[3] ~= '' then
                local score = tonumber(redis.call('ZSCORE', live, ARGV[3]) or '0')
                if score > now then own = {stands(ARGV[3]) or '0', whole(score)} elseif score > 0 then die(ARGV[3], score) end
            end
            for _, session in ipairs(redis.call('ZRANGEBYSCORE', live, '-inf', now, 'LIMIT', 0, ARGV[4])) do
                die(session, redis.call('ZSCORE', live, session))
            end
            local first = redis.call('ZRANGE', live, 0, 0, 'WITHSCORES')
            local next = first[2] and first[2] ~= 'inf' and whole(tonumber(first[2])) or '0'
            local out = {1, next, own[1], own[2]}
            local function tell(session, score)
                local number = stands(session)
                if not number then
                    redis.call('ZREM', dead, session)
                    return
                end
                out[#out + 1] = session
                out[#out + 1] = number
                out[#out + 1] = whole(tonumber(score))
            end
            local mine = ARGV[3] ~= '' and redis.call('ZSCORE', dead, ARGV[3])
            if mine then tell(ARGV[3], mine) end
            local over = redis.call('ZRANGE', dead, 0, tonumber(ARGV[4]) - 1, 'WITHSCORES')
            for i = 1, #over, 2 do
                if over[i] ~= ARGV[3] then tell(over[i], over[i + 1]) end
            end
            return out
            """)
    package static let enter = Script(
        "seats-enter",
        begin + """
            for i = 7, #ARGV, 2 do
                if stands(ARGV[i]) == ARGV[i + 1] then
                    redis.call('ZREM', dead, ARGV[i])
                    redis.call('ZREM', live, ARGV[i])
                    redis.call('HDEL', held, ARGV[i])
                end
            end
            -- One that comes so late that its end is past would only stand in the way.
            if ARGV[3] ~= '' and tonumber(ARGV[6]) > now then
                redis.call('HSET', held, ARGV[3], ARGV[4] .. ' ' .. ARGV[5])
                redis.call('ZADD', live, ARGV[6], ARGV[3])
                redis.call('ZREM', dead, ARGV[3])
            end
            return {1}
            """)
    package static let open = Script(
        "seats-open",
        """
        local marker = redis.call('HGET', KEYS[2], 'marker')
        if marker == ARGV[1] and redis.call('ZSCORE', KEYS[1], 'marker ' .. marker) then return {1} end
        if marker and tonumber(string.match(marker, ':(%d+)$')) > tonumber(ARGV[3]) then return {0} end
        redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
        redis.call('HSET', KEYS[2], 'marker', ARGV[1], 'now', ARGV[2])
        redis.call('ZADD', KEYS[1], 'inf', 'marker ' .. ARGV[1])
        return {1}
        """)
    static let wiping = Script("seats-wipe", "return redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])")
    static let ends = Script(
        "seats-ends",
        begin + """
            local out = {1}
            for i = 3, #ARGV do out[#out + 1] = whole(tonumber(redis.call('ZSCORE', live, ARGV[i]) or '0')) end
            return out
            """)
}
