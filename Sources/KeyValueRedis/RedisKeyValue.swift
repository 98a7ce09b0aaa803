import KeyValue
import NIOCore
import Vocabulary

/// Limits and facts that many processes share.
///
/// When the server is away: limits are counted by each process alone, from nothing, until it is back; a fact that cannot be written
/// or read throws `KeyValueFault.away`, so that the act fails or its caller reads the durable record; `cache:` values are forgotten.
package final class RedisKeyValue: KeyValue {
    private let client: RedisClient
    private let clock: any Clock
    private let local: InProcessKeyValue
    private let prefix: String

    package init(client: RedisClient, clock: any Clock, bounds: KeyValueBounds = KeyValueBounds(), prefix: String = "ck:") {
        self.client = client
        self.clock = clock
        self.prefix = prefix
        local = InProcessKeyValue(bounds: bounds)
    }

    package func take(_ key: String, limit: RateLimit, now: Timestamp) async throws -> RateDecision {
        guard key.utf8.count <= 512 else { throw KeyValueFault.oversized }
        let count = max(0, limit.count)
        let window = max(1, limit.window.microseconds)
        do {
            let script = count <= 128 ? Self.takeExactly : Self.takeBySlices
            // A key for each shape: a limit that crosses 128 begins anew, as it does in a single process.
            let name = "\(prefix)l:\(count <= 128 ? "m" : "s"):\(window):{\(key)}"
            let answer = try await client.run(
                script, keys: [name], [.integer(Int64(count)), .integer(window), .integer(now.microseconds)])
            guard let numbers = answer.value.list?.compactMap(\.integer), numbers.count == 3 else { throw KeyValueFault.away }
            return RateDecision(
                isAllowed: numbers[0] == 1, remaining: Int(numbers[1]),
                retryAfterSeconds: numbers[0] == 1 ? 0 : max(1, (numbers[2] + 999_999) / 1_000_000))
        } catch {
            return try await local.take(key, limit: limit, now: now)
        }
    }

    package func set(_ key: String, _ value: [UInt8], expires: Timestamp) async throws {
        guard key.utf8.count <= 512, value.count <= 65_536 else { throw KeyValueFault.oversized }
        let isCached = key.utf8.starts(with: "cache:".utf8)
        // The end that counts stands with the value. The server's own comes a day later: a step of its clock forgets nothing.
        let left = max(0, (expires - clock.now()).microseconds / 1_000) + (isCached ? 1_000 : 86_400_000)
        var stored = ByteBuffer()
        stored.writeInteger(expires.microseconds)
        stored.writeBytes(value)
        do {
            let reply = try await client.send(
                [.text("SET"), .text(place(key)), .bytes(Array(stored.readableBytesView)), .text("PX"), .integer(left)], key: place(key)
            ).reply
            if case .error(let text) = reply {
                throw text.hasPrefix("OOM") ? KeyValueFault.full : KeyValueFault.away
            }
        } catch let fault as KeyValueFault {
            if !isCached { throw fault }
        } catch { if !isCached { throw KeyValueFault.away } }
    }

    package func get(_ key: String, now: Timestamp) async throws -> [UInt8]? {
        let reply: RedisReply
        do { reply = try await client.send([.text("GET"), .text(place(key))], key: place(key)).reply } catch {
            if key.utf8.starts(with: "cache:".utf8) { return nil }
            throw KeyValueFault.away
        }
        switch reply {
        case .none: return nil
        case .text(let bytes):
            var stored = ByteBuffer(bytes: bytes)
            guard let expires = stored.readInteger(as: Int64.self), expires > now.microseconds else { return nil }
            return Array(stored.readableBytesView)
        default: throw KeyValueFault.away
        }
    }

    package func remove(_ key: String) async throws {
        do { _ = try await client.send([.text("DEL"), .text(place(key))], key: place(key)) } catch { throw KeyValueFault.away }
    }

    private func place(_ key: String) -> String { "\(prefix)f:{\(key)}" }

    // MARK: Limits

    /// Every moment of the window, in a list that ascends.
    private static let takeExactly = Script(
        "take-exactly",
        """
        local limit, window, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
        local moments = redis.call('LRANGE', KEYS[1], 0, -1)
        local last = tonumber(moments[#moments])
        if last and last > now then
            -- A clock that stepped back would otherwise hold what was taken for the length of the step.
            redis.call('DEL', KEYS[1])
            for i = 1, #moments do
                if tonumber(moments[i]) > now then moments[i] = ARGV[3] end
                redis.call('RPUSH', KEYS[1], moments[i])
            end
        end
        local live = 1
        while moments[live] and tonumber(moments[live]) <= now - window do live = live + 1 end
        if live > 1 then redis.call('LTRIM', KEYS[1], live - 1, -1) end
        local taken = #moments - live + 1
        if taken < limit then
            redis.call('RPUSH', KEYS[1], ARGV[3])
            redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) + 1000)
            return {1, limit - taken - 1, 0}
        end
        if limit == 0 then return {0, 0, ARGV[2]} end
        return {0, 0, string.format('%.0f', tonumber(moments[#moments - limit + 1]) + window - now)}
        """)

    /// Counts of a window's sixtieths, rounded so that a refusal may come one sixtieth early and never late.
    private static let takeBySlices = Script(
        "take-by-slices",
        """
        local limit, window, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
        local width = math.max(1, math.floor(window / 60))
        local current = math.floor(now / width)
        local flat = redis.call('HGETALL', KEYS[1])
        local counts, taken, last = {}, 0, now
        for i = 1, #flat, 2 do
            if flat[i] == 'last' then last = tonumber(flat[i + 1]) else
                local slice, count = tonumber(flat[i]), tonumber(flat[i + 1])
                counts[slice] = count
                taken = taken + count
            end
        end
        local place = string.format('%.0f', current)
        if now < last then
            -- A clock that stepped back would otherwise hold what was taken for the length of the step.
            redis.call('DEL', KEYS[1])
            counts = {[current] = taken}
            redis.call('HSET', KEYS[1], place, taken)
        else
            for slice, count in pairs(counts) do
                if slice < current - 60 then
                    redis.call('HDEL', KEYS[1], string.format('%.0f', slice))
                    counts[slice] = nil
                    taken = taken - count
                end
            end
        end
        redis.call('HSET', KEYS[1], 'last', ARGV[3])
        redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000) * 2 + 1000)
        if taken < limit then
            redis.call('HINCRBY', KEYS[1], place, 1)
            return {1, limit - taken - 1, 0}
        end
        local freed = 0
        for slice = current - 60, current do
            freed = freed + (counts[slice] or 0)
            if taken - freed < limit then return {0, 0, string.format('%.0f', (slice + 61) * width - now)} end
        end
        return {0, 0, ARGV[2]}
        """)
}
