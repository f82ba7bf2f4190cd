// graphql-ws and graphql-sse go on behind their last cursor: connections are cut and the server is restarted while
// buyers order, and at the end each subscriber has each event once and in order.
import { createClient as overWebSocket } from 'graphql-ws';
import { createClient as overEvents } from 'graphql-sse';
import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { Proxy, Server, token } from './server.mjs';
import { check, headers } from './setting.mjs';
import { aProduct, ask, count, order } from './writer.mjs';

const EVENTS = Number(process.env.RESUME_EVENTS ?? 2_000);
const WRITERS = 4;
const OF_ORDER = ['order.created', 'order.paid', 'split.recorded'];
const KINDS = [...OF_ORDER, 'stock.adjusted'];
const CATCH_UP_MS = 120_000;
const AGAIN_MS = 100;
const RESUMED = 3;
const MERCHANTS = `subscription ($after: String, $kinds: [String!]) {
  told: merchantEvents(after: $after, kinds: $kinds) { cursor id kind facts } }`;
const BUYERS = 'subscription ($after: String) { told: myOrders(after: $after) { cursor id kind facts order { id status } } }';
const CHANGES = `query ($after: String, $kinds: [String!]) { merchant { changes(first: 100, after: $after, kinds: $kinds) {
  nodes { id kind facts } pageInfo { hasNextPage endCursor } } } }`;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

class Subscriber {
  told = [];
  connections = 0;
  isDone = false;

  constructor(name, open, query, variables, cursor) {
    Object.assign(this, { name, open, query, variables, cursor });
  }

  // One connection after the other, each from the last cursor. Those that something was told over are counted.
  async listen() {
    while (!this.isDone) {
      this.isNew = true;
      const asked = { query: this.query, variables: { ...this.variables, after: this.cursor } };
      await new Promise((resolve) => (this.close = this.open(asked, (result) => this.take(result), resolve)));
      await sleep(AGAIN_MS);
    }
  }

  take(result) {
    this.connections += this.isNew;
    this.isNew = false;
    if (result.errors) this.refused = JSON.stringify(result.errors);
    else this.cursor = this.told[this.told.push(result.data.told) - 1].cursor;
  }

  end() {
    this.isDone = true;
    this.close();
  }

  compared(expected) {
    const ids = this.told.map((each) => each.id);
    const known = new Set(ids);
    const places = new Map(expected.map((each, place) => [each.id, place]));
    const order = ids.map((id) => places.get(id) ?? -1);
    return {
      subscriber: this.name,
      expected: expected.length,
      received: ids.length,
      missing: expected.filter((each) => !known.has(each.id)).length,
      twice: ids.length - known.size,
      'not its own': order.filter((place) => place < 0).length,
      'out of order': order.filter((place, at) => at > 0 && place < order[at - 1]).length,
      resumed: this.connections - 1,
    };
  }
}

function ws(url, sent) {
  const connectionParams = { authorization: sent.authorization, merchant: sent['x-merchant'] };
  return (asked, next, ended) => {
    const client = overWebSocket({ url: url.replace(/^http/, 'ws'), webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
    const stop = client.subscribe(asked, { next, error: ended, complete: ended });
    return () => (stop(), client.dispose());
  };
}

function sse(url, sent) {
  return (asked, next, ended) => {
    const client = overEvents({ url, headers: sent, retryAttempts: 0 });
    const stop = client.subscribe(asked, { next, error: ended, complete: ended });
    return () => (stop(), client.dispose());
  };
}

async function changes(url, after) {
  const found = [];
  for (;;) {
    const { nodes, pageInfo } = (await ask(url, headers, CHANGES, { after, kinds: KINDS })).merchant.changes;
    found.push(...nodes);
    after = pageInfo.endCursor;
    if (!pageInfo.hasNextPage) return { found, cursor: after };
  }
}

const server = new Server();
const proxy = new Proxy();
await server.start();
await proxy.start(server);
const url = `http://127.0.0.1:${server.port}/graphql`;
const buyers = ['resuming-ana@example.test', 'resuming-bia@example.test'].map((email) => ({ authorization: `Bearer ${token(email)}` }));
const { cursor } = await changes(url, null);
const product = await aProduct(url, headers);
const subscribers = [
  new Subscriber('graphql-ws merchantEvents', ws(proxy.url, headers), MERCHANTS, { kinds: KINDS }, cursor),
  new Subscriber('graphql-sse merchantEvents', sse(proxy.url, headers), MERCHANTS, { kinds: KINDS }, cursor),
  new Subscriber('graphql-ws myOrders', ws(proxy.url, buyers[1]), BUYERS, {}, cursor),
  new Subscriber('graphql-sse myOrders', sse(proxy.url, buyers[1]), BUYERS, {}, cursor),
];
const listening = subscribers.map((each) => each.listen());

// Three of four events are of orders, half of those the second buyer's.
const orders = Math.floor(EVENTS / 4);
const acts = Array.from({ length: orders + (EVENTS - orders * OF_ORDER.length) }, (_, n) => n);
const bought = [[], []];
const run = randomUUID();
let written = 0;
const disturbances = new Map(
  [0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9].map((share) => [Math.floor(acts.length * share), () => proxy.cut()]),
);
const restarted = (signal) => async () => {
  await server.end(signal);
  await server.start();
};
disturbances.set(Math.floor(acts.length * 0.4), restarted('SIGTERM'));
disturbances.set(Math.floor(acts.length * 0.7), restarted('SIGKILL'));
let disturbing = Promise.resolve();
const begin = Date.now();
async function write() {
  for (let act = acts.shift(); act !== undefined; act = acts.shift()) {
    const buyer = act % 2;
    if (act < orders) bought[buyer].push(await order(url, buyers[buyer], product, `${run}-${act}`));
    else await count(url, headers, product, `${run}-${act}`);
    written += 1;
    const disturb = disturbances.get(written);
    if (disturb) disturbing = disturbing.then(disturb);
  }
}
// Orders and counts are mixed.
acts.sort((one, other) => ((one * 7919) % acts.length) - ((other * 7919) % acts.length));
await Promise.all(Array.from({ length: WRITERS }, write));
await disturbing;
const seconds = (Date.now() - begin) / 1000;

const { found } = await changes(url, cursor);
const mine = new Set(bought[1]);
const expected = [found, found.filter((each) => each.kind !== 'split.recorded' && mine.has(each.facts.order))];
const expectedOf = (at) => expected[at < 2 ? 0 : 1];
const late = Date.now() + CATCH_UP_MS;
while (Date.now() < late && subscribers.some((each, at) => each.told.length < expectedOf(at).length && !each.refused)) await sleep(100);
await sleep(500);
subscribers.forEach((each) => each.end());
await Promise.race([Promise.all(listening), sleep(5_000)]);
proxy.end();
await server.end('SIGINT');

const rows = subscribers.map((each, at) => each.compared(expectedOf(at)));
console.table(rows);
console.log(`  ${found.length} events in ${seconds.toFixed(0)} s, ${proxy.cuts - 1} cuts, a SIGTERM, a SIGKILL`);
check('every act was told', found.length === EVENTS, found.length);
check('every order was told as placed and as paid', [...bought.flat()].every((id) => OF_ORDER.every((kind) => found.some((each) => each.kind === kind && each.facts.order === id))));
for (const [at, row] of rows.entries()) {
  check(`${row.subscriber} was refused nothing`, !subscribers[at].refused, subscribers[at].refused);
  const whole = row.received === row.expected && row.missing + row.twice + row['not its own'] + row['out of order'] === 0;
  check(`${row.subscriber} has each event once and in order`, whole && row.resumed >= RESUMED, JSON.stringify(row));
}
process.exit(0);
