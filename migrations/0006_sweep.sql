-- SPDX-License-Identifier: Apache-2.0
-- Why:   the sweeper looks twice a second for leases that ran out and waits that are over. With an index on due_at alone
--        it walked past every queued row of a backlog to find them. The index is on (status + 0) and not on status, nor
--        partial, so that no other statement can use it by accident: a claim mentions the status too, and a planner that
--        has seen an empty table would scan all live rows through it for each batch instead of looking up keys (measured:
--        three times the database's work for an execution). strikes counts recoveries in a row without progress, so that
--        an execution which ends its host each time comes to an end.
-- Locks: execution, for as long as the index of the live table takes (milliseconds for 10,000 rows).
CREATE INDEX execution_due_by_status ON execution ((status + 0), due_at) WITH (fillfactor = 70);
DROP INDEX execution_due;
ALTER TABLE execution ADD COLUMN strikes smallint NOT NULL DEFAULT 0;
