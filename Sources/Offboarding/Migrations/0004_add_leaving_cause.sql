-- Why a tenant leaves, beside what it says of it. Empty: from before this was kept.
ALTER TABLE offboarding_all ADD COLUMN cause TEXT CHECK (length(cause) BETWEEN 1 AND 32);
-- It leaves though what is paid for is not over, because a policy says so.
ALTER TABLE offboarding_all ADD COLUMN is_early INTEGER CHECK (is_early IN (0, 1));
-- Withdrawn by the platform, not by the tenant: something goes on after all.
ALTER TABLE offboarding_all ADD COLUMN called_off_at INTEGER;
-- The newest snapshot by which the subscription goes on, and the one to which an owner answered that the tenant stays, or came back.
ALTER TABLE offboarding_lapse_all ADD COLUMN went_on_version INTEGER;
ALTER TABLE offboarding_lapse_all ADD COLUMN answered_version INTEGER;
