// relay-runtime with what relay-compiler made of relay/src.
import relayRuntime from 'relay-runtime';
import node from './relay/generated/ordersNodeQuery.graphql.js';
import orders from './relay/generated/ordersQuery.graphql.js';
import refetch from './relay/generated/ordersRefetchQuery.graphql.js';
import { check, headers, url } from './setting.mjs';

const { Environment, Network, RecordSource, Store, fetchQuery } = relayRuntime;
const network = Network.create(async (params, variables) => {
  const body = JSON.stringify({ query: params.text, variables, operationName: params.name });
  const answer = await fetch(url, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body });
  return answer.json();
});
const environment = new Environment({ network, store: new Store(new RecordSource()) });
const asked = (query, variables) => fetchQuery(environment, query, variables).toPromise();

const first = (await asked(orders, { first: 2 })).merchant;
check('a page', first.orders.edges.length === 2 && first.orders.pageInfo.hasNextPage);
const next = (await asked(orders, { first: 2, after: first.orders.pageInfo.endCursor })).merchant;
check('the next page, added to the first by Relay', new Set(next.orders.edges.map((each) => each.node.id)).size === 4);
const { id, number } = first.orders.edges[0].node;
check('a node by its id', (await asked(node, { id })).node.number === number);
check('a fragment fetched again', Boolean((await asked(refetch, { id })).node));
