// What GraphQL Code Generator makes of the schema, used under tsc --strict.
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
import { graphql } from '../generated/gql';
import type { StockAdjustInput } from '../generated/graphql';

export const Orders = graphql(`
  query TypedOrders($first: Int!) {
    merchant {
      orders(first: $first) {
        nodes {
          id
          number
          status
          placedAt
          total {
            amount
            currency
          }
        }
      }
    }
  }
`);

export const Adjust = graphql(`
  mutation TypedAdjust($input: StockAdjustInput!) {
    stockAdjust(input: $input) {
      __typename
      ... on Problem {
        code
        message
        path
      }
    }
  }
`);

export const input: StockAdjustInput = { variantId: 'unknown', change: 1, idempotencyKey: 'conformance' };

type ResultOf<T> = T extends DocumentTypeDecoration<infer Result, infer _> ? Result : never;
type Merchant = NonNullable<ResultOf<typeof Orders>['merchant']>;
type Order = NonNullable<Merchant['orders']>['nodes'][number];

export const shown = ({ number, total }: Order): string => `${number} ${total.amount} ${total.currency}`;
