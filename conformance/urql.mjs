// @urql/core with its own exchanges, POST and GET.
import { Client, cacheExchange, fetchExchange, gql } from '@urql/core';
import { ORDERS, check, headers, url } from './setting.mjs';

const client = new Client({ url, exchanges: [cacheExchange, fetchExchange], fetchOptions: { headers }, preferGetMethod: false });
const query = gql(ORDERS);
const asked = await client.query(query, { first: 2 }).toPromise();
check('a query by POST', asked.data?.merchant.orders.nodes.length === 2, asked.error);
const got = await client.query(query, { first: 3 }, { preferGetMethod: 'force' }).toPromise();
check('a query by GET', got.data?.merchant.orders.nodes.length === 3, got.error);
const typo = await client.query(gql`{ merchnt { id } }`, {}).toPromise();
check('a mistake is told', typo.error?.graphQLErrors[0].message.includes('merchnt'), typo.error);
const mutation = gql`mutation ($input: StockAdjustInput!) { stockAdjust(input: $input) { __typename ... on Problem { code } } }`;
const input = { variantId: 'unknown', change: 1, idempotencyKey: 'conformance' };
const refused = await client.mutation(mutation, { input }).toPromise();
check('a mutation answers a problem', refused.data?.stockAdjust.code === 'NOT_FOUND', refused.error);
