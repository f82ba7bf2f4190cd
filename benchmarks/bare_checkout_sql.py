"""The statements of the leanest checkout: one per merchant and step, each a chain of data-modifying CTEs."""

CLAIM = """
INSERT INTO platform.idempotency (merchant_id, actor, key, mutation, input_hash, result_id, created_at)
VALUES (%(nobody)s, %(actor)s, %(key)s, %(mutation)s, %(hash)s, %(result)s, %(at)s)
"""

PLACE_ORDER = """
WITH wanted AS (
    SELECT * FROM unnest(%(variants)s::uuid[], %(quantities)s::int[], %(seen)s::bigint[], %(line_ids)s::uuid[],
                         %(shares)s::bigint[]) WITH ORDINALITY
        AS wanted (variant_id, quantity, seen, line_id, share, position)
), counted AS (
    UPDATE __merchant__.counter SET value = value + 1 WHERE name = 'order'
    RETURNING %(merchant_number)s || '-' || lpad(value::text, 6, '0') AS number
), reserved AS (
    UPDATE __merchant__.variant SET reserved = reserved + wanted.quantity
    FROM wanted, counted WHERE variant.id = wanted.variant_id
    RETURNING variant.id, variant.product_id, variant.sku, variant.title
), offer AS (
    SELECT wanted.*, reserved.product_id, reserved.sku, product.title || ', ' || reserved.title AS title,
           product.category
    FROM wanted
    JOIN reserved ON reserved.id = wanted.variant_id
    JOIN __merchant__.product ON product.id = reserved.product_id AND product.status = 'published'
    JOIN __merchant__.price ON price.variant_id = wanted.variant_id AND price.currency = 'BRL'
        AND price.amount_minor = wanted.seen
), placed AS (
    INSERT INTO __merchant__.orders (id, number, checkout_id, status, currency, goods_minor, shipping_minor,
        shipping_option, legal_name, contact, placed_at, ship_days, events)
    SELECT %(order)s, number, %(checkout)s, 'awaiting_payment', 'BRL', %(goods)s, %(shipping)s, 'standard',
        %(legal_name)s, %(sealed)s, %(at)s, 7, 1 FROM counted
), key AS (
    INSERT INTO platform.contact_key (merchant_id, subject_id, sealed)
    VALUES (%(merchant)s, %(order)s, %(sealed_key)s)
), lines AS (
    INSERT INTO __merchant__.order_line (id, order_id, position, product_id, variant_id, sku, title, category,
        unit_price_minor, quantity, goods_minor, shipping_minor, shipped, delivered)
    SELECT line_id, %(order)s, position - 1, product_id, variant_id, sku, title, category, seen, quantity,
        seen * quantity, share, 0, 0 FROM offer
), event AS (
    INSERT INTO __merchant__.order_event (order_id, seq, kind, actor, occurred_at, booked_at, details)
    VALUES (%(order)s, 1, 'place', 'buyer', %(at)s, %(at)s, '{}')
), told AS (
    INSERT INTO platform.outbox (merchant_id, id, kind, version, order_id, facts, actor, occurred_at, booked_at)
    SELECT %(merchant)s, %(told)s, 'order.created', 1, %(order)s,
        jsonb_build_object('order', %(order)s::text, 'number', number), 'buyer', %(at)s, %(at)s FROM counted
), audited AS (
    INSERT INTO platform.audit_event (merchant_id, id, actor, act, subject, after, occurred_at, booked_at)
    SELECT %(merchant)s, %(audited)s, 'buyer', 'order.place', %(order)s::text,
        jsonb_build_object('number', number, 'total_minor', %(goods)s + %(shipping)s, 'currency', 'BRL'), %(at)s, %(at)s
    FROM counted
), committed AS (
    INSERT INTO platform.log_queue (merchant_id, kind, event_id, leaf, booked_at)
    VALUES (%(merchant)s, 'audit_event', %(audited)s, %(audit_leaf)s, %(at)s)
)
SELECT number, (SELECT count(*) FROM offer) FROM counted
"""

PLACE_CHECKOUT = """
WITH made AS (
    INSERT INTO platform.checkout (id, buyer_id, status, currency, goods_minor, shipping_minor, contact, placed_at,
        expires_at)
    VALUES (%(checkout)s, %(buyer)s, 'awaiting_payment', 'BRL', %(goods)s, %(shipping)s, %(sealed)s, %(at)s,
        %(expires)s)
), key AS (
    INSERT INTO platform.contact_key (merchant_id, subject_id, sealed)
    VALUES (%(nobody)s, %(checkout)s, %(sealed_key)s)
), indexed AS (
    INSERT INTO platform.buyer_order (merchant_id, order_id, buyer_id, checkout_id, number, merchant_name, status,
        currency, total_minor, placed_at)
    SELECT merchant_id, order_id, %(buyer)s, %(checkout)s, number, name, 'awaiting_payment', 'BRL', total, %(at)s
    FROM unnest(%(merchants)s::uuid[], %(orders)s::uuid[], %(numbers)s::text[], %(names)s::text[], %(totals)s::bigint[])
        AS indexed (merchant_id, order_id, number, name, total)
), job AS (
    INSERT INTO platform.job (merchant_id, kind, subject_id, due_at, attempts)
    VALUES (%(nobody)s, 'checkout.expire', %(checkout)s, %(expires)s, 0)
), committed AS (
    INSERT INTO platform.log_queue (merchant_id, kind, event_id, leaf, booked_at)
    VALUES (%(nobody)s, 'audit_event', %(audited)s, %(audit_leaf)s, %(at)s)
)
INSERT INTO platform.audit_event (merchant_id, id, actor, act, subject, after, occurred_at, booked_at)
VALUES (%(nobody)s, %(audited)s, %(actor)s, 'checkout.place', %(checkout)s::text,
    jsonb_build_object('orders', to_jsonb(%(numbers)s::text[]), 'total_minor', %(goods)s + %(shipping)s),
    %(at)s, %(at)s)
"""

LOCK_CHECKOUT = """
SELECT merchant_id, order_id, number FROM platform.buyer_order
WHERE checkout_id = (SELECT id FROM platform.checkout
                     WHERE id = %(checkout)s AND buyer_id = %(buyer)s AND status = 'awaiting_payment' FOR UPDATE)
ORDER BY merchant_id
"""

LOCK_ORDER = """
WITH counted AS (
    UPDATE __merchant__.counter SET value = value + 1 WHERE name = 'entry' RETURNING value
), standing AS (
    SELECT balance.* FROM counted, __merchant__.balance FOR UPDATE OF balance
)
SELECT counted.value, goods_minor, shipping_minor, id, category,
    (SELECT coalesce(jsonb_object_agg(account, amount_minor), '{}') FROM standing WHERE currency = 'BRL')
FROM counted, __merchant__.order_line WHERE order_id = %(order)s ORDER BY position
"""

CAPTURE_ORDER = """
WITH frozen AS (
    INSERT INTO __merchant__.split_line (order_line_id, order_id, plan, plan_version, rule, base_minor, rate_bps,
        rate_part_minor, fixed_minor, bound, commission_minor, merchant_minor)
    SELECT line_id, %(order)s, 'standard', 1, %(rule)s, base, %(rate_bps)s, commission, 0, 'none', commission, merchant
    FROM unnest(%(line_ids)s::uuid[], %(bases)s::bigint[], %(commissions)s::bigint[], %(merchants)s::bigint[])
        AS line (line_id, base, commission, merchant)
), booked AS (
    INSERT INTO __merchant__.ledger_entry (seq, kind, order_id, occurred_at, booked_at, account, currency, amount,
        details, salt, balance_after, balance_salt)
    VALUES (%(seq)s, 'capture', %(order)s, %(at)s, %(at)s, %(accounts)s, %(currencies)s, %(amounts)s, %(details)s,
        %(salt)s, %(after)s, %(balance_salt)s)
), balances AS (
    INSERT INTO __merchant__.balance AS held (account, currency, amount_minor)
    SELECT * FROM unnest(%(accounts)s::text[], %(currencies)s::text[], %(amounts)s::bigint[])
    ON CONFLICT (account, currency) DO UPDATE SET amount_minor = held.amount_minor + excluded.amount_minor
), committed AS (
    INSERT INTO platform.log_queue (merchant_id, kind, seq, leaf, booked_at)
    VALUES (%(merchant)s, 'entry', %(seq)s, %(leaf)s, %(at)s)
), committed_too AS (
    INSERT INTO platform.log_queue (merchant_id, kind, event_id, leaf, booked_at)
    VALUES (%(merchant)s, 'audit_event', %(audited)s, %(audit_leaf)s, %(at)s)
), beside AS (
    INSERT INTO platform.platform_entry (merchant_id, seq, kind, occurred_at, booked_at, account, currency, amount)
    VALUES (%(merchant)s, %(seq)s, 'capture', %(at)s, %(at)s, '{merchant_clearing,commission_pending}',
        '{BRL,BRL}', ARRAY[-%(commission)s::bigint, %(commission)s::bigint])
), totals AS (
    INSERT INTO __merchant__.daily_total AS held (day, currency, category, orders, goods_minor, shipping_minor,
        commission_minor, refunds_minor, commission_returned_minor, net_minor)
    SELECT %(day)s, 'BRL', category, 1, %(goods)s, %(shipping)s, %(commission)s, 0, 0, %(net)s
    FROM unnest(ARRAY['*', %(category)s]) AS category
    ON CONFLICT (day, currency, category) DO UPDATE SET orders = held.orders + 1,
        goods_minor = held.goods_minor + excluded.goods_minor,
        shipping_minor = held.shipping_minor + excluded.shipping_minor,
        commission_minor = held.commission_minor + excluded.commission_minor,
        net_minor = held.net_minor + excluded.net_minor
), moved AS (
    UPDATE __merchant__.orders SET status = 'to_ship', events = 2, captured_at = %(at)s, capture_seq = %(seq)s,
        commission_minor = %(commission)s, hold_days = 7, ship_by = %(ship_by)s
    WHERE id = %(order)s
), event AS (
    INSERT INTO __merchant__.order_event (order_id, seq, kind, actor, occurred_at, booked_at, details)
    VALUES (%(order)s, 2, 'pay', 'buyer', %(at)s, %(at)s, jsonb_build_object('commission_minor', %(commission)s))
), indexed AS (
    UPDATE platform.buyer_order SET status = 'to_ship' WHERE merchant_id = %(merchant)s AND order_id = %(order)s
), job AS (
    INSERT INTO platform.job (merchant_id, kind, subject_id, due_at, attempts)
    VALUES (%(merchant)s, 'order.overdue', %(order)s, %(ship_by)s, 0)
), told AS (
    INSERT INTO platform.outbox (merchant_id, id, kind, version, order_id, facts, actor, occurred_at, booked_at)
    VALUES
        (%(merchant)s, %(told)s, 'order.paid', 1, %(order)s, %(paid)s, 'buyer', %(at)s, %(at)s),
        (%(merchant)s, %(told_split)s, 'split.recorded', 1, %(order)s, %(recorded)s, 'buyer', %(at)s, %(at)s)
)
INSERT INTO platform.audit_event (merchant_id, id, actor, act, subject, before, after, occurred_at, booked_at)
VALUES (%(merchant)s, %(audited)s, 'buyer', 'order.pay', %(order)s::text, '{"status": "awaiting_payment"}',
    jsonb_build_object('status', 'to_ship', 'commission_minor', %(commission)s), %(at)s, %(at)s)
"""

PAY_CHECKOUT = """
WITH payment AS (
    INSERT INTO platform.payment (id, checkout_id, status, currency, amount_minor, provider, provider_reference,
        created_at, captured_at)
    VALUES (%(payment)s, %(checkout)s, 'captured', 'BRL', %(total)s, 'sandbox', %(payment)s::text, %(at)s, %(at)s)
), tender AS (
    INSERT INTO platform.tender (payment_id, position, method, amount_minor)
    VALUES (%(payment)s, 0, 'sandbox_approve', %(total)s)
), charge AS (
    INSERT INTO platform.sandbox_charge (id, status, currency, amount_minor, refunded_minor, method, created_at)
    VALUES (%(payment)s, 'captured', 'BRL', %(total)s, 0, 'sandbox_approve', %(at)s)
), paid AS (
    UPDATE platform.checkout SET status = 'paid', paid_at = %(at)s WHERE id = %(checkout)s
), job AS (
    DELETE FROM platform.job
    WHERE merchant_id = %(nobody)s AND kind = 'checkout.expire' AND subject_id = %(checkout)s
), committed AS (
    INSERT INTO platform.log_queue (merchant_id, kind, event_id, leaf, booked_at)
    VALUES
        (%(nobody)s, 'audit_event', %(begun)s, %(begun_leaf)s, %(at)s),
        (%(nobody)s, 'audit_event', %(settled)s, %(settled_leaf)s, %(at)s)
)
INSERT INTO platform.audit_event (merchant_id, id, actor, act, subject, before, after, occurred_at, booked_at)
VALUES
    (%(nobody)s, %(begun)s, %(actor)s, 'payment.begin', %(payment)s::text, NULL,
     jsonb_build_object('checkout', %(checkout)s::text, 'amount_minor', %(total)s), %(at)s, %(at)s),
    (%(nobody)s, %(settled)s, %(actor)s, 'payment.settle', %(payment)s::text, '{"status": "processing"}',
     '{"status": "captured"}', %(at)s, %(at)s)
"""
