-- Whether the postings of an entry (parallel arrays) sum to zero in each currency. Bound by CHECK constraints of the
-- ledgers: never replaced once released (a stricter rule is a new function). RETURN-bodied, so that a restore, which
-- runs with an empty search_path, evaluates the same thing.
CREATE FUNCTION platform.is_balanced(account text[], currency text[], amount bigint[]) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(
        array_ndims(account) = 1 AND array_ndims(currency) = 1 AND array_ndims(amount) = 1
        AND cardinality(amount) >= 2, false)
    AND NOT EXISTS (
        SELECT FROM unnest(account, currency, amount) AS posting (a, c, m)
        WHERE a IS NULL OR c IS NULL OR m IS NULL)
    AND NOT EXISTS (
        SELECT FROM unnest(currency, amount) AS posting (c, m) GROUP BY c HAVING sum(m) <> 0);
