import Foundation
import Store
import Vocabulary

enum PostgresAccess { case write, read }

/// What a transaction is, before it has a connection.
struct PostgresWork: Sendable {
    let access: PostgresAccess
    let scope: PostgresScope
    let lanes: WriteLanes?
    /// When its last statement is to be over, on the monotonic clock in microseconds: where somebody waits for it at a connection, and not for a report.
    let deadline: Int64?

    /// As the calling task wants it, from now on.
    init(_ access: PostgresAccess, _ scope: PostgresScope, _ limits: PostgresLimits) {
        self.access = access
        self.scope = scope
        lanes = scope == .kernel ? WriteLanes.wanted : nil
        let left = limits.awaited - Attendance.waited
        deadline = Attendance.isAwaited && !ReadLag.isAllowed ? PostgresLink.monotonic + left.microseconds : nil
    }

    /// It has waited, run or been tried for as long as whoever asked would wait.
    var isOver: Bool { deadline.map { $0 <= PostgresLink.monotonic } ?? false }

    /// What is left of `limit` until the deadline.
    func within(_ limit: Duration) -> Duration {
        deadline.map { min(limit, .microseconds(max(0, $0 - PostgresLink.monotonic))) } ?? limit
    }
}

/// One thread's side of the database: its connection, the transaction on it, and its segment of the journals.
final class PostgresSession: LedgerConnection {
    private(set) var segment: UUID
    var heads = JournalHeads()
    var hasNewJobs = false
    let limits: PostgresLimits
    private let url: String
    private let seal: Seal
    private let context: LedgerContext
    private var link: PostgresLink?
    /// The scope that the server's role and settings are in now.
    private var inForce: PostgresScope?
    private var backend: Int64 = 0
    private var work: PostgresWork?
    /// How long the server lets a statement run now, and by how much that may be longer than what is left.
    private var timeout = Duration.zero
    private static let slack = Duration.seconds(2)
    /// Why the running transaction cannot be committed any more.
    private(set) var failure: (any Error)?
    private var isCommitting = false
    private var nextTry: Int64 = 0
    private var pause: Duration
    private let schema: PostgresSchemaInForce
    private var schemaVersion = 0
    private var checked: [PostgresMode: Set<SQL>] = [:]

    init(url: String, seal: Seal, context: LedgerContext, limits: PostgresLimits, schema: PostgresSchemaInForce) {
        self.schema = schema
        self.url = url
        self.seal = seal
        self.context = context
        self.limits = limits
        segment = context.segment()
        pause = limits.reconnect
    }

    /// Connects where there is no connection. Between failed tries it refuses at once.
    func connected(within limit: Duration = .seconds(10)) throws -> PostgresLink {
        if let link, link.isAlive { return link }
        link = nil
        guard PostgresLink.monotonic >= nextTry else { throw StoreFault.unreachable("trying again shortly") }
        do {
            let made = try PostgresLink(url: url, limits: limits, within: limit)
            link = made
            pause = limits.reconnect
            return made
        } catch let error as PostgresError {
            putOff()
            throw error.fault
        }
    }
    func disconnect() { link = nil }

    /// Runs `body` in one transaction; again when others were in the way or the line was cut before the commit.
    func transact<Value>(_ work: PostgresWork, _ ticket: PostgresTicket, _ body: () throws -> Value) throws -> Value {
        var attempt = 0
        var tries: [String: Int] = [:]
        while true {
            attempt += 1
            try ticket.check()
            do {
                try begin(work, ticket)
                let value = try body()
                // From here on nobody breaks it off: what waits for a standby then would hold on this server alone.
                ticket.ends()
                try commit()
                return value
            } catch {
                let failure = self.failure
                let wasCommitting = isCommitting
                if let broken = failure as? PostgresError { leave(broken) }
                abandon()
                if wasCommitting, let broken = failure as? PostgresError, broken.isLost && !broken.wasIdle || broken.isUnconfirmed {
                    // The segment may or may not have grown: another one takes over.
                    segment = context.segment()
                    heads = JournalHeads()
                    throw StoreFault.outcomeUnknown
                }
                try ticket.check()
                guard let broken = failure as? PostgresError else { throw error }
                tries[broken.state, default: 0] += 1
                // What the closure threw may be its answer to the failure: it is not heard before the last attempt.
                guard attempt < limits.attempts, tries[broken.state, default: 0] < broken.tries(limits) else {
                    throw broken.isConflict || broken.isLost ? broken.fault : error
                }
                if broken.isConflict { rest(attempt) }
            }
        }
    }

    /// Gives a connection up on which nothing can be asked for: one that is silent would be silent on a rollback, too, and for those who wait
    /// behind this one.
    private func leave(_ broken: PostgresError) {
        guard broken.isSilent || broken.isStandby || broken.isStale else { return }
        link = nil
        if broken.isSilent { putOff() }
    }

    /// The next try to connect comes after a pause, each longer than the one before.
    private func putOff() {
        nextTry = PostgresLink.monotonic + pause.microseconds
        pause = min(pause + pause, limits.reconnectCap)
    }

    /// Half of it by chance, so that a crowd spreads out.
    private func rest(_ attempt: Int) {
        let chance = Int64(context.entropy.bytes(1).first ?? 0)
        let most = Int64(1_000) << Int64(min(attempt, 6))
        usleep(UInt32(most / 2 + most * chance / 512))
    }

    static let begin = "store.begin"
    private static let late = StoreFault.overloaded(queue: "database")
    private func begin(_ work: PostgresWork, _ ticket: PostgresTicket) throws {
        let (access, scope) = (work.access, work.scope)
        failure = nil
        isCommitting = false
        inForce = nil
        self.work = work
        guard !work.isOver else { throw Self.late }
        let link = try connected(within: work.within(.seconds(10)))
        ticket.runs(link.canceller)
        var commands = [
            PostgresCommand(
                Self.begin,
                access == .write ? "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        ]
        // None of these takes a snapshot: the transaction sees what was committed while it waited for its lane.
        commands.append(PostgresCommand("store.lock_limit", "SET LOCAL lock_timeout = \(limits.lock.microseconds / 1_000)"))
        var taken = access == .write ? work.lanes : nil
        if access == .write, case .tenant(let raw) = scope { taken = .alone(TenantID(UUID(bytes: raw))) }
        if let taken {
            // Before the lane, as behind a pooler a round trip lies between it and the scope, which sets the same.
            commands.append(PostgresCommand("store.idle_limit", "SET LOCAL idle_in_transaction_session_timeout = \(idle)"))
            // Lanes are the tenants' to take.
            commands.append(PostgresCommand("store.role", "SET LOCAL ROLE \(PostgresRoles.tenant)"))
            commands.append(PostgresCommand("store.lane", PostgresGuard.locking(taken)))
        }
        if taken == nil || scope == .kernel { commands.append(PostgresCommand("store.role", "SET LOCAL ROLE \(scope.role)")) }
        do {
            if let known = link.backend {
                backend = known
            } else {
                backend = try link.lookAtBackend(after: commands, within: work.within(.seconds(10)))
                commands = []
            }
            commands.append(enter(scope, link, isFirst: true))
            // None of these does more than wait for the lane.
            _ = try link.run(commands, within: work.within(limits.lock))
            inForce = scope
        } catch {
            failure = error
            throw fault(error)
        }
    }

    private func enter(_ scope: PostgresScope, _ link: PostgresLink, isFirst: Bool) -> PostgresCommand {
        let expiry = PostgresLink.monotonic + link.clockLead + limits.seal.microseconds
        let seal = SQLValue.text(seal.text(scope, expiry: expiry, backend: backend))
        timeout = limit(scope)
        // Zero would be no limit.
        let milliseconds = SQLValue.text("\(max(1, timeout.microseconds / 1_000))")
        guard isFirst else {
            return PostgresCommand(
                "store.enter",
                """
                SELECT set_config('role', $1, true), set_config('app.tenant_id', $2, true), set_config('app.seal', $3, true),
                    set_config('statement_timeout', $4, true)
                """, [.text(scope.role), .text(scope.tenantHex), seal, milliseconds], keptFor: Self.anybody)
        }
        return PostgresCommand(
            "store.enter",
            """
            SELECT set_config('app.tenant_id', $1, true), set_config('app.seal', $2, true), set_config('statement_timeout', $3, true),
                set_config('search_path', 'coditect, pg_temp', true), set_config('enable_seqscan', 'off', true),
                set_config('idle_in_transaction_session_timeout', $4, true)
            """, [.text(scope.tenantHex), seal, milliseconds, .text("\(idle)")], keptFor: Self.anybody)
    }
    /// It looks at no table.
    private static let anybody = ""
    private func limit(_ scope: PostgresScope) -> Duration {
        let limit = scope == .kernel ? limits.kernelStatement : limits.tenantStatement
        return work?.within(limit) ?? limit
    }
    /// In milliseconds.
    private var idle: Int64 { limits.idle.microseconds / 1_000 }

    func trusted(_ sql: SQL, _ arguments: [any SQLBindable]) throws -> [Row] { try rows(sql, arguments, as: .kernel) }

    /// A statement of a room: its text is judged first.
    func roomRows(_ sql: SQL, _ arguments: [any SQLBindable], as scope: PostgresScope) throws -> [Row] {
        if sql.isForSQLite { return [] }
        let mode: PostgresMode = scope == .kernel ? .kernel : .tenant
        if schemaVersion != schema.version {
            schemaVersion = schema.version
            checked = [:]
        }
        if checked[mode]?.contains(sql) != true {
            try PostgresText.check(sql, mode, schema.catalogue)
            checked[mode, default: []].insert(sql)
            if checked[mode]?.count ?? 0 > 2_000 { checked[mode] = [] }
        }
        return try rows(sql, arguments, as: scope)
    }

    func rows(_ sql: SQL, _ arguments: [any SQLBindable], as scope: PostgresScope) throws -> [Row] {
        if let failure { throw fault(failure) }
        guard let link else { throw StoreFault.closed }
        if work?.isOver == true {
            failure = Self.late
            throw Self.late
        }
        var commands: [PostgresCommand] = []
        // The server gives a statement up before the driver takes the server for silent.
        if inForce != scope || timeout > limit(scope) + Self.slack { commands.append(enter(scope, link, isFirst: false)) }
        commands.append(PostgresCommand(sql.name, sql.postgres, arguments.map(\.sqlValue), keptFor: scope.role))
        do {
            let rows = try link.run(commands, within: limit(scope))
            inForce = scope
            return rows
        } catch {
            failure = error
            throw fault(error)
        }
    }

    private func commit() throws {
        if let failure { throw fault(failure) }
        guard let link else { throw StoreFault.closed }
        do {
            try link.checkBetweenStatements()
            isCommitting = true
            try link.commit(within: limit(work?.scope ?? .kernel))
        } catch {
            failure = error
            throw fault(error)
        }
        isCommitting = false
        heads.keep()
    }

    private func abandon() {
        heads.undo(to: 0)
        hasNewJobs = false
        isCommitting = false
        guard let link else { return }
        if link.isAlive, !link.isIdle { _ = try? link.run([PostgresCommand("store.rollback", "ROLLBACK")], within: .seconds(5)) }
        if !link.isAlive || !link.isIdle { self.link = nil }
    }

    private func fault(_ error: any Error) -> any Error {
        guard let broken = error as? PostgresError else { return error }
        // Ended because there was no time left, not because it costs too much.
        return broken.state == "57014" && work?.within(.seconds(1)) ?? .seconds(1) < .seconds(1) ? Self.late : broken.fault
    }
}
