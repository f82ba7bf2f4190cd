// Relay's conventions: connections with @connection, a refetchable fragment, nodes by id.
import relayRuntime from 'relay-runtime';

const { graphql } = relayRuntime;

export const orders = graphql`
  query ordersQuery($first: Int!, $after: String) {
    merchant {
      id
      ...orders_list @arguments(first: $first, after: $after)
      orders(first: $first, after: $after) @connection(key: "Merchant_orders") {
        edges {
          cursor
          node {
            id
            number
          }
        }
        pageInfo {
          endCursor
          hasNextPage
        }
      }
    }
  }
`;

export const list = graphql`
  fragment orders_list on Merchant
  @argumentDefinitions(first: { type: "Int", defaultValue: 5 }, after: { type: "String" }) {
    orders(first: $first, after: $after) @connection(key: "orders_list_orders") {
      edges {
        node {
          id
          total {
            amount
            currency
          }
        }
      }
    }
  }
`;

export const node = graphql`
  query ordersNodeQuery($id: ID!) {
    node(id: $id) {
      __typename
      id
      ... on Order {
        number
      }
    }
  }
`;

export const one = graphql`
  fragment orders_one on Order @refetchable(queryName: "ordersRefetchQuery") {
    id
    status
  }
`;
