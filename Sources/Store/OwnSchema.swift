/// The tables of the store itself. Forward only, as any room's.
package enum OwnSchema {
    package static let room = "store"
    package static let migrations = [
        Migration(room: "store", name: "0001_create_store", sql: createStore),
        Migration(room: "store", name: "0002_let_the_journal_begin_later", sql: beginJournalLater),
        Migration(room: "store", name: "0003_trace_jobs", sql: traceJobs),
        Migration(room: "store", name: "0004_keep_longer", sql: keepLonger),
        Migration(room: "store", name: "0005_keep_rounds", sql: keepRounds),
    ]

    static let createStore = """
        CREATE TABLE store_job (
            id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
            kind TEXT NOT NULL,
            key TEXT NOT NULL,
            tenant_id BLOB,
            payload BLOB NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('due', 'leased', 'done', 'dead')),
            run_at INTEGER NOT NULL,
            attempt INTEGER NOT NULL CHECK (attempt >= 0),
            lease_token BLOB,
            lease_until INTEGER,
            reason TEXT,
            request_id TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            finished_at INTEGER,
            CHECK ((state = 'leased') = (lease_token IS NOT NULL AND lease_until IS NOT NULL)),
            CHECK ((state IN ('done', 'dead')) = (finished_at IS NOT NULL))
        ) WITHOUT ROWID, STRICT;
        CREATE UNIQUE INDEX store_job_open ON store_job (kind, key) WHERE state <> 'done';
        CREATE INDEX store_job_due ON store_job (run_at) WHERE state = 'due';
        CREATE INDEX store_job_leased ON store_job (lease_until) WHERE state = 'leased';
        CREATE INDEX store_job_finished ON store_job (state, finished_at) WHERE finished_at IS NOT NULL;

        CREATE TABLE store_idempotency (
            id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
            fingerprint BLOB NOT NULL,
            box BLOB NOT NULL,
            expires_at INTEGER NOT NULL
        ) WITHOUT ROWID, STRICT;
        CREATE INDEX store_idempotency_expiry ON store_idempotency (expires_at);

        CREATE TABLE journal_segment_all (
            tenant_id BLOB NOT NULL,
            segment BLOB NOT NULL CHECK (length(segment) = 16),
            opened_at INTEGER NOT NULL,
            PRIMARY KEY (tenant_id, segment)
        ) WITHOUT ROWID, STRICT;

        CREATE TABLE journal_entry_all (
            tenant_id BLOB NOT NULL,
            segment BLOB NOT NULL,
            seq INTEGER NOT NULL CHECK (seq > 0),
            previous BLOB NOT NULL CHECK (length(previous) = 32),
            at INTEGER NOT NULL,
            actor TEXT NOT NULL,
            request_id TEXT NOT NULL,
            origin BLOB,
            action TEXT NOT NULL,
            subject TEXT NOT NULL,
            outcome TEXT NOT NULL CHECK (outcome IN ('success', 'denied', 'failed')),
            decision BLOB,
            details TEXT NOT NULL,
            hash BLOB NOT NULL CHECK (length(hash) = 32),
            PRIMARY KEY (tenant_id, segment, seq),
            FOREIGN KEY (tenant_id, segment) REFERENCES journal_segment_all (tenant_id, segment)
        ) WITHOUT ROWID, STRICT;
        CREATE INDEX journal_entry_by_time ON journal_entry_all (tenant_id, at);

        CREATE TABLE journal_checkpoint_all (
            tenant_id BLOB NOT NULL,
            seq INTEGER NOT NULL CHECK (seq > 0),
            document TEXT NOT NULL,
            key_id TEXT NOT NULL,
            signature BLOB NOT NULL,
            PRIMARY KEY (tenant_id, seq)
        ) WITHOUT ROWID, STRICT;

        CREATE TABLE journal_mark_all (
            tenant_id BLOB NOT NULL,
            segment BLOB NOT NULL,
            entry_count INTEGER NOT NULL CHECK (entry_count > 0),
            PRIMARY KEY (tenant_id, segment)
        ) WITHOUT ROWID, STRICT;

        CREATE TRIGGER journal_entry_keeps_rows BEFORE DELETE ON journal_entry_all
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        CREATE TRIGGER journal_entry_keeps_values BEFORE UPDATE ON journal_entry_all
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        CREATE TRIGGER journal_segment_keeps_rows BEFORE DELETE ON journal_segment_all
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        CREATE TRIGGER journal_segment_keeps_values BEFORE UPDATE ON journal_segment_all
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        CREATE TRIGGER journal_checkpoint_keeps_rows BEFORE DELETE ON journal_checkpoint_all
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        CREATE TRIGGER journal_checkpoint_keeps_values BEFORE UPDATE ON journal_checkpoint_all
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        """

    /// What is too old goes, from the front of a segment only and only below a checkpoint.
    static let beginJournalLater = """
        CREATE TABLE journal_begin_all (
            tenant_id BLOB NOT NULL,
            segment BLOB NOT NULL,
            entry_count INTEGER NOT NULL CHECK (entry_count > 0),
            PRIMARY KEY (tenant_id, segment)
        ) WITHOUT ROWID, STRICT;

        CREATE TRIGGER journal_begin_is_covered BEFORE INSERT ON journal_begin_all
        WHEN NOT EXISTS (
            SELECT 1 FROM journal_mark_all m
            WHERE m.tenant_id = NEW.tenant_id AND m.segment = NEW.segment AND m.entry_count >= NEW.entry_count)
        BEGIN SELECT RAISE(ABORT, 'no checkpoint covers these entries'); END;
        CREATE TRIGGER journal_begin_stays_covered BEFORE UPDATE ON journal_begin_all
        WHEN NEW.entry_count < OLD.entry_count OR NEW.segment <> OLD.segment OR NEW.tenant_id <> OLD.tenant_id OR NOT EXISTS (
            SELECT 1 FROM journal_mark_all m
            WHERE m.tenant_id = NEW.tenant_id AND m.segment = NEW.segment AND m.entry_count >= NEW.entry_count)
        BEGIN SELECT RAISE(ABORT, 'no checkpoint covers these entries'); END;
        CREATE TRIGGER journal_begin_keeps_rows BEFORE DELETE ON journal_begin_all
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

        DROP TRIGGER journal_entry_keeps_rows;
        CREATE TRIGGER journal_entry_keeps_rows BEFORE DELETE ON journal_entry_all
        WHEN NOT EXISTS (
            SELECT 1 FROM journal_begin_all b
            WHERE b.tenant_id = OLD.tenant_id AND b.segment = OLD.segment AND b.entry_count >= OLD.seq)
        BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
        """

    /// W3C's `traceparent` of whoever made the job.
    static let traceJobs = "ALTER TABLE store_job ADD COLUMN trace TEXT CHECK (length(trace) = 55);"

    /// Why records of a tenant stay beyond their usual time: a hold ('*', without days), or a duty of this tenant's for one kind.
    /// The kernel's alone: no tenant takes a hold away.
    static let keepLonger = """
        CREATE TABLE tenant_keep (
            tenant_id BLOB NOT NULL CHECK (length(tenant_id) = 16),
            keep_id BLOB NOT NULL CHECK (length(keep_id) = 16),
            kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
            days INTEGER CHECK (days BETWEEN 1 AND 36500),
            why TEXT NOT NULL CHECK (length(why) BETWEEN 10 AND 500),
            since INTEGER NOT NULL,
            PRIMARY KEY (keep_id),
            CHECK ((days IS NULL) = (kind = '*'))
        ) WITHOUT ROWID, STRICT;
        CREATE INDEX tenant_keep_by_tenant ON tenant_keep (tenant_id, kind);
        """

    /// What the daily look at every journal found: which journals, from when to when, and the first thing wrong with each that is broken.
    /// `owner` is a tenant's id or the platform's; it stays as long as the journal that it names may.
    static let keepRounds = """
        CREATE TABLE journal_round (
            id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
            begun_at INTEGER NOT NULL,
            journals INTEGER NOT NULL CHECK (journals >= 0),
            entries INTEGER NOT NULL CHECK (entries >= 0),
            oldest_at INTEGER,
            newest_at INTEGER,
            broken INTEGER NOT NULL CHECK (broken BETWEEN 0 AND journals),
            CHECK ((oldest_at IS NULL) = (newest_at IS NULL))
        ) WITHOUT ROWID, STRICT;
        CREATE INDEX journal_round_by_time ON journal_round (begun_at);
        CREATE TABLE journal_break (
            round_id BLOB NOT NULL,
            owner BLOB NOT NULL CHECK (length(owner) = 16),
            kind TEXT NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
            segment BLOB,
            seq INTEGER NOT NULL,
            sentence TEXT NOT NULL CHECK (length(sentence) BETWEEN 1 AND 1000),
            PRIMARY KEY (round_id, owner),
            FOREIGN KEY (round_id) REFERENCES journal_round (id)
        ) WITHOUT ROWID, STRICT;
        """

    package static let createMigrationTable = """
        CREATE TABLE IF NOT EXISTS store_migration (
            room TEXT NOT NULL,
            name TEXT NOT NULL,
            sha256 BLOB NOT NULL,
            applied_at INTEGER NOT NULL,
            PRIMARY KEY (room, name)
        ) WITHOUT ROWID, STRICT
        """
    package static let triggers: Set<String> = Set(
        ["entry", "segment", "checkpoint"].flatMap { ["journal_\($0)_keeps_rows", "journal_\($0)_keeps_values"] }
            + ["journal_begin_is_covered", "journal_begin_stays_covered", "journal_begin_keeps_rows"])
}

/// Tables that a driver keeps for itself.
package enum OwnTables {
    package static let all: Set<String> = [
        "store_migration", "store_job", "store_idempotency", "journal_entry_all", "journal_segment_all", "journal_checkpoint_all",
        "journal_mark_all", "journal_begin_all", "journal_round", "journal_break",
    ]
    package static let readOnly = all.filter { $0.hasPrefix("journal_") }
}
