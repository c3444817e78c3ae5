-- What must always be true, as a view of what is not: a row for each breach, none when the books are right.
-- Each part groups by account, so that a filter on account_id reaches the tables: a check of few accounts is cheap.
CREATE OR REPLACE VIEW ledger_violations AS
WITH lot_sum AS (
    SELECT account_id, lot_id,
        coalesce(sum(amount) FILTER (WHERE code = 'issued'), 0) AS issued,
        coalesce(sum(amount) FILTER (WHERE code = 'available'), 0) AS available,
        coalesce(sum(amount) FILTER (WHERE code = 'held'), 0) AS held,
        coalesce(sum(amount) FILTER (WHERE code = 'consumed'), 0) AS consumed,
        coalesce(sum(amount) FILTER (WHERE code = 'expired'), 0) AS expired,
        coalesce(sum(amount) FILTER (WHERE code = 'clawed'), 0) AS clawed,
        coalesce(sum(amount) FILTER (WHERE code = 'adjusted'), 0) AS adjusted,
        coalesce(sum(amount) FILTER (WHERE code = 'moved'), 0) AS moved,
        coalesce(sum(amount) FILTER (WHERE code = 'debt'), 0) AS debt,
        coalesce(sum(amount) FILTER (WHERE code = 'forgiven'), 0) AS forgiven
    FROM ledger_entry GROUP BY account_id, lot_id
)
SELECT 'a transaction does not sum to zero' AS rule, account_id, seq::text AS subject, sum(amount)::text AS detail
FROM ledger_entry GROUP BY account_id, seq, lot_id HAVING sum(amount) <> 0

UNION ALL SELECT 'a transaction has no entries', t.account_id, t.seq::text, t.kind
FROM ledger_transaction t
WHERE NOT EXISTS (SELECT FROM ledger_entry e WHERE e.account_id = t.account_id AND e.seq = t.seq)

UNION ALL SELECT 'an account does not hold what its entries say', a.id, a.id::text,
    format('account %s, entries %s', ROW(a.available, a.held, a.debt), ROW(s.available, s.held, s.debt))
FROM ledger_account a
LEFT JOIN (
    SELECT account_id, sum(available) AS available, sum(held) AS held, -sum(debt) AS debt FROM lot_sum GROUP BY account_id
) s ON s.account_id = a.id
WHERE (a.available, a.held, a.debt) <> (coalesce(s.available, 0), coalesce(s.held, 0), coalesce(s.debt, 0))

UNION ALL SELECT 'an account does not hold what its lots say', a.id, a.id::text,
    format('account %s, lots %s', ROW(a.available, a.held), ROW(l.remaining, l.held))
FROM ledger_account a
LEFT JOIN (
    SELECT account_id, sum(remaining) AS remaining, sum(held) AS held FROM ledger_lot GROUP BY account_id
) l ON l.account_id = a.id
WHERE (a.available, a.held) <> (coalesce(l.remaining, 0), coalesce(l.held, 0))

UNION ALL SELECT 'a lot does not hold what its entries say', l.account_id, l.id::text, l.reference
FROM ledger_lot l
LEFT JOIN lot_sum s ON s.account_id = l.account_id AND s.lot_id = l.id
WHERE s.lot_id IS NULL OR l.issued = 0
    OR (l.issued, l.remaining, l.held, l.consumed, l.expired, l.clawed, l.adjusted, l.moved, l.repaid,
            l.forgiven)
        <> (-s.issued, s.available, s.held, s.consumed, s.expired, s.clawed, s.adjusted, s.moved, s.debt, s.forgiven)

UNION ALL SELECT 'a lot passed on what no child received', l.account_id, l.id::text, format('%s <> %s', l.moved, c.issued)
FROM ledger_lot l
LEFT JOIN (SELECT parent_id, sum(issued) AS issued FROM ledger_lot GROUP BY parent_id) c ON c.parent_id = l.id
WHERE l.moved <> coalesce(c.issued, 0)

UNION ALL SELECT 'debt that left one account reached no other', NULL, 'all accounts', sum(amount)::text
FROM ledger_entry WHERE lot_id IS NULL AND code = 'moved' HAVING sum(amount) <> 0

UNION ALL SELECT 'an account has set aside what no hold explains', a.id, a.id::text, format('%s <> %s', a.held, h.amount)
FROM ledger_account a
LEFT JOIN (
    SELECT account_id, sum(amount) AS amount FROM ledger_hold WHERE state = 'open' GROUP BY account_id
) h ON h.account_id = a.id
WHERE a.held <> coalesce(h.amount, 0)

UNION ALL SELECT 'a hold drew something else than its amount', h.account_id, h.id::text, format('%s <> %s', h.amount, d.amount)
FROM ledger_hold h
LEFT JOIN (SELECT account_id, hold_id, sum(amount) AS amount FROM ledger_allocation GROUP BY account_id, hold_id) d
    ON d.account_id = h.account_id AND d.hold_id = h.id
WHERE h.amount IS DISTINCT FROM d.amount

UNION ALL SELECT 'a settlement charged something else than it says', h.account_id, h.id::text,
    format('%s <> %s', h.captured, s.consumed)
FROM ledger_hold h
LEFT JOIN (
    SELECT account_id, seq, coalesce(sum(amount) FILTER (WHERE code = 'consumed'), 0) AS consumed,
        coalesce(sum(amount) FILTER (WHERE code = 'held'), 0) AS held
    FROM ledger_entry GROUP BY account_id, seq
) s ON s.account_id = h.account_id AND s.seq = h.settled_seq
WHERE h.state <> 'open' AND (h.captured, -h.amount) IS DISTINCT FROM (s.consumed, s.held)

UNION ALL SELECT 'an account has lost count of its transactions', a.id, a.id::text, format('%s <> %s', a.seq, t.transactions)
FROM ledger_account a
LEFT JOIN (
    SELECT account_id, count(*) AS transactions, max(seq) AS last FROM ledger_transaction GROUP BY account_id
) t ON t.account_id = a.id
WHERE (a.seq, a.seq) <> (coalesce(t.transactions, 0), coalesce(t.last, 0))

UNION ALL SELECT 'the chain of transactions is broken', t.account_id, t.seq::text, t.kind || ' ' || t.reference
FROM (
    SELECT ledger_transaction.*, lag(hash, 1, ''::bytea) OVER (PARTITION BY account_id ORDER BY seq) AS hash_before
    FROM ledger_transaction
) t
WHERE t.previous_hash <> t.hash_before

UNION ALL SELECT 'a transaction is not what was hashed', t.account_id, t.seq::text, t.kind || ' ' || t.reference
FROM ledger_transaction t
JOIN (
    SELECT account_id, seq, array_agg((lot_id, code, amount)::ledger_leg ORDER BY leg) AS legs
    FROM ledger_entry GROUP BY account_id, seq
) e ON e.account_id = t.account_id AND e.seq = t.seq
WHERE t.hash <> ledger_hash(t.previous_hash, t.account_id, t.seq, t.kind, t.reference, t.request, t.response, t.actor,
    t.reason, ARRAY[t.available, t.held, t.debt], t.created_at, e.legs)

UNION ALL SELECT 'an account does not end its chain', a.id, a.id::text, a.seq::text
FROM ledger_account a
LEFT JOIN ledger_transaction t ON t.account_id = a.id AND t.seq = a.seq
WHERE a.head <> coalesce(t.hash, ''::bytea);
