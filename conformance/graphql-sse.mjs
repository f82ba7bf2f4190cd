// graphql-sse in distinct connections mode: events are for subscriptions.
import { createClient } from 'graphql-sse';
import { check, headers, url } from './setting.mjs';

const client = createClient({ url, headers, retryAttempts: 0 });
const asked = (query) =>
  new Promise((resolve, reject) => {
    const results = [];
    client.subscribe({ query }, { next: (value) => results.push(value), error: reject, complete: () => resolve(results) });
  });

const refused = await asked('{ __typename }').then(() => null, (error) => error);
check('a query is not answered by events', refused?.response?.status === 406, refused);
const schema = await fetch(url, {
  method: 'POST',
  headers: { ...headers, 'content-type': 'application/json' },
  body: JSON.stringify({ query: '{ __schema { subscriptionType { name fields { name args { name type { kind } } } } } }' }),
}).then((answer) => answer.json());
const subscription = schema.data.__schema.subscriptionType;
if (subscription === null) console.log('  --  the schema has no subscription yet: nothing to listen to');
else {
  const name = subscription.fields.find((each) => each.args.every((arg) => arg.type.kind !== 'NON_NULL'))?.name;
  if (name) {
    const stop = client.subscribe({ query: `subscription { ${name} { __typename } }` }, { next() {}, error() {}, complete() {} });
    await new Promise((resolve) => setTimeout(resolve, 500));
    stop();
  }
  const typo = await asked('subscription { nonsense }').then(() => null, (error) => error);
  check('a mistake is refused', typo !== null, typo);
}
client.dispose();
