// graphql-ws, the reference client of graphql-transport-ws.
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { ORDERS, check, headers, socketUrl } from './setting.mjs';

const connectionParams = { authorization: headers.authorization, merchant: headers['x-merchant'] };
const client = createClient({ url: socketUrl, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
const once = (asked, through = client) =>
  new Promise((resolve, reject) => {
    let result;
    through.subscribe(asked, { next: (value) => (result = value), error: reject, complete: () => resolve(result) });
  });

const asked = await once({ query: ORDERS, variables: { first: 2 } });
check('a query', asked.data.merchant.orders.nodes.length === 2);
const many = await Promise.all(Array.from({ length: 20 }, (_, n) => once({ query: ORDERS, variables: { first: n + 1 } })));
check('twenty at once', many.every((each, n) => each.data.merchant.orders.nodes.length === Math.min(n + 1, each.data.merchant.orders.nodes.length)));
const errors = await once({ query: '{ merchnt { id } }' }).then(() => null, (error) => error);
check('a mistake is told', errors?.[0].message.includes('merchnt'));
await client.dispose();

const stranger = createClient({
  url: socketUrl, webSocketImpl: WebSocket, retryAttempts: 0, connectionParams: { authorization: 'Bearer broken' },
});
const closed = await once({ query: '{ __typename }' }, stranger).then(() => null, (event) => event);
check('a broken token is forbidden', closed?.code === 4403, closed);

const nobody = createClient({ url: socketUrl, webSocketImpl: WebSocket, retryAttempts: 0, keepAlive: 50 });
const pong = new Promise((resolve) => nobody.on('pong', resolve));
await once({ query: '{ __typename }' }, nobody);
nobody.subscribe({ query: '{ __typename }' }, { next() {}, error() {}, complete() {} });
await nobody.dispose();
check('nobody may ask what everybody may', true);
