// Where the server is and who asks: set by run.py.
import assert from 'node:assert/strict';

export const url = process.env.MALL_URL;
export const socketUrl = url.replace(/^http/, 'ws');
export const headers = {
  authorization: `Bearer ${process.env.MALL_TOKEN}`,
  'x-merchant': process.env.MALL_MERCHANT,
};
export const ORDERS = `
  query Orders($first: Int!) {
    merchant { orders(first: $first) { nodes { id number total { amount currency } } } }
  }`;

export function check(name, condition, detail = '') {
  assert.ok(condition, `${name}: ${detail}`);
  console.log(`  ok  ${name}`);
}
