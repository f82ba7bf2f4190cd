// @apollo/client with plain requests, GET, automatic persisted queries, and a WebSocket.
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import { createHash } from 'node:crypto';
import WebSocket from 'ws';
import { ORDERS, check, headers, socketUrl, url } from './setting.mjs';

const query = gql(ORDERS);
const http = (options = {}) => new HttpLink({ uri: url, headers, ...options });
const client = (link) => new ApolloClient({ link, cache: new InMemoryCache() });
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

const asked = await client(http()).query({ query, variables: { first: 2 } });
check('a query by POST', asked.data.merchant.orders.nodes.length === 2);

const got = await client(http({ useGETForQueries: true })).query({ query, variables: { first: 3 } });
check('a query by GET', got.data.merchant.orders.nodes.length === 3);

const sent = [];
const seeing = (uri, options) => (sent.push(uri + (options.body ?? '')), fetch(uri, options));
const persisted = new PersistedQueryLink({ sha256, useGETForHashedQueries: true });
for (const first of [1, 2]) {
  const found = await client(persisted.concat(http({ fetch: seeing }))).query({ query, variables: { first } });
  check(`a persisted query, time ${first}`, found.data.merchant.orders.nodes.length === first);
}
check('its text is sent once', sent.length === 3 && sent.filter((each) => each.includes('merchant')).length === 1, sent);

const typo = await client(http())
  .query({ query: gql`query Typo { merchnt { id } }` })
  .then(() => null, (error) => error);
check('a mistake is told', typo?.message.includes('merchnt'), typo);

const mutation = gql`
  mutation Adjust($input: StockAdjustInput!) {
    stockAdjust(input: $input) { __typename ... on NotFound { code message path } }
  }`;
const input = { variantId: 'unknown', change: 1, idempotencyKey: 'conformance' };
const refused = await client(http()).mutate({ mutation, variables: { input } });
check('a mutation answers a problem', refused.data.stockAdjust.code === 'NOT_FOUND', JSON.stringify(refused));

const socket = createClient({
  url: socketUrl,
  webSocketImpl: WebSocket,
  connectionParams: { authorization: headers.authorization, merchant: headers['x-merchant'] },
});
const live = await client(new GraphQLWsLink(socket)).query({ query, variables: { first: 1 } });
check('a query over a WebSocket', live.data.merchant.orders.nodes.length === 1);
await socket.dispose();
