-- An entry's postings as rows. security_invoker: a view must not read more than whoever asks.
CREATE VIEW __merchant__.posting WITH (security_invoker = true) AS
SELECT entry.seq, entry.kind, entry.order_id, entry.occurred_at, entry.booked_at, entry.available_at,
       posting.account, posting.currency, posting.amount
FROM __merchant__.ledger_entry AS entry,
     unnest(entry.account, entry.currency, entry.amount) AS posting (account, currency, amount);
GRANT SELECT ON __merchant__.posting TO __merchant__;
INSERT INTO __merchant__.counter (name, value) VALUES
    ('order', 0), ('entry', 0), ('statement', 0), ('payout', 0), ('invoice', 0), ('credit_note', 0), ('self_billed', 0), ('self_billed_credit', 0);
