// Buyers who order and staff who count, at once; what gets no answer is sent again with its key until it gets one.
const PATIENCE_MS = 50;
const ADDRESS = { name: 'Ana', street: 'Rua A 1', city: 'Recife', postalCode: '50000-000', country: 'BR' };
const PROBLEM = '... on Problem { code message path }';
const SHELF = '{ merchant { products(first: 20) { nodes { category variants { prices { currency } } } } } }';
const CREATE = `mutation ($input: ProductCreateInput!) { productCreate(input: $input) {
  ... on ProductCreated { product { id variants { id } } } ${PROBLEM} } }`;
const PUBLISH = `mutation ($input: ProductPublishInput!) { productPublish(input: $input) { __typename ${PROBLEM} } }`;
const PLACE = `mutation ($input: CheckoutPlaceInput!) { checkoutPlace(input: $input) { __typename
  ... on CheckoutPlaced { checkout { id total { amount currency } orders { id } } }
  ... on CheckoutRejected { problems { code message } } ${PROBLEM} } }`;
const PAY = `mutation ($input: CheckoutPayInput!) { checkoutPay(input: $input) { __typename ${PROBLEM} } }`;
const ADJUST = `mutation ($input: StockAdjustInput!) { stockAdjust(input: $input) { __typename ${PROBLEM} } }`;

export async function ask(url, headers, query, variables = {}) {
  for (;;) {
    try {
      const body = JSON.stringify({ query, variables });
      const sent = { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body };
      const answer = await fetch(url, { ...sent, signal: AbortSignal.timeout(30_000) });
      const found = await answer.json();
      if (answer.ok && !found.errors) return found.data;
      const code = found.errors?.[0]?.extensions?.code;
      if (answer.status < 500 && !['BUSY', 'UNAVAILABLE', 'OVERLOADED', 'TOOK_TOO_LONG'].includes(code))
        throw new Refused(JSON.stringify(found));
    } catch (error) {
      if (error instanceof Refused) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  }
}

class Refused extends Error {}

function done(answer, name) {
  if (answer.__typename !== name) throw new Refused(JSON.stringify(answer));
  return answer;
}

export async function aProduct(url, staff) {
  const { merchant } = await ask(url, staff, SHELF);
  const { category, variants } = merchant.products.nodes.find((each) => each.variants[0]?.prices.length);
  const price = { amount: '19.90', currency: variants[0].prices[0].currency };
  const variant = { sku: `RESUME-${Date.now()}`, prices: [price], onHand: 1_000_000 };
  const input = { title: 'A kite to resume', category, variants: [variant] };
  const { product } = (await ask(url, staff, CREATE, { input })).productCreate;
  done((await ask(url, staff, PUBLISH, { input: { productId: product.id } })).productPublish, 'ProductPublished');
  return { variantId: product.variants[0].id, price };
}

export async function order(url, buyer, { variantId, price }, key) {
  const cart = { currency: price.currency, lines: [{ variantId, quantity: 1, price }], shipTo: ADDRESS };
  const placed = (await ask(url, buyer, PLACE, { input: { idempotencyKey: `${key}-place`, cart } })).checkoutPlace;
  const { checkout } = done(placed, 'CheckoutPlaced');
  const tenders = [{ method: 'sandbox_approve', amount: checkout.total }];
  const input = { checkoutId: checkout.id, tenders, idempotencyKey: `${key}-pay` };
  done((await ask(url, buyer, PAY, { input })).checkoutPay, 'CheckoutPaid');
  return checkout.orders[0].id;
}

export async function count(url, staff, { variantId }, key) {
  const input = { variantId, change: 1, idempotencyKey: key };
  done((await ask(url, staff, ADJUST, { input })).stockAdjust, 'StockAdjusted');
}
