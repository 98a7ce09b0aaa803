-- Why a subscription was cancelled here, of the few reasons that can be chosen.
ALTER TABLE billing_operation_all ADD COLUMN reason TEXT CHECK (length(reason) BETWEEN 1 AND 64);
