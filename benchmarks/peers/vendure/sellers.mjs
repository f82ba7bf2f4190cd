// An order split by seller, in the way of Vendure's multivendor example: a variant and a shipping method are in the
// default channel and in their seller's, and each seller's order gets a fee and a payment of its own.
import {
  DefaultStockAllocationStrategy, EntityHydrator, OrderService, ShippingEligibilityChecker, Surcharge,
  TransactionalConnection,
} from '@vendure/core';

const DEFAULT = '__default_channel__';
const FEE_RATE = 0.12;
export const PAYMENT = 'paid-at-once';

const sellersOf = (channels) => channels.filter((channel) => channel.code !== DEFAULT);

export class SplitBySeller {
  init(injector) {
    this.hydrator = injector.get(EntityHydrator);
    this.orders = injector.get(OrderService);
    this.connection = injector.get(TransactionalConnection);
  }

  async setOrderLineSellerChannel(ctx, line) {
    await this.hydrator.hydrate(ctx, line.productVariant, { relations: ['channels'] });
    return sellersOf(line.productVariant.channels)[0];
  }

  splitOrder(ctx, order) {
    return [...new Set(order.lines.map((line) => line.sellerChannelId))].map((channelId) => {
      const lines = order.lines.filter((line) => line.sellerChannelId === channelId);
      const shipped = new Set(lines.map((line) => line.shippingLineId));
      const shippingLines = order.shippingLines.filter((line) => shipped.has(line.id));
      return { channelId, lines, shippingLines, state: 'ArrangingPayment' };
    });
  }

  async afterSellerOrdersCreated(ctx, whole, sellerOrders) {
    for (const order of sellerOrders) {
      const fee = new Surcharge({
        sku: 'FEE',
        description: 'Platform fee',
        listPrice: -Math.round(order.totalWithTax * FEE_RATE),
        listPriceIncludesTax: true,
        taxLines: [],
        order,
      });
      order.surcharges = [await this.connection.getRepository(ctx, Surcharge).save(fee)];
      await this.orders.applyPriceAdjustments(ctx, order);
      const paid = await this.orders.addPaymentToOrder(ctx, order.id, { method: PAYMENT, metadata: {} });
      if (paid.errorCode) throw new Error(paid.message);
    }
  }
}

// As it comes, a piece is allocated with the whole order and with the seller's order again.
export class AllocatedOnce extends DefaultStockAllocationStrategy {
  shouldAllocateStock(ctx, from, to, order) {
    return order.type !== 'Aggregate' && super.shouldAllocateStock(ctx, from, to, order);
  }
}

export class ShippedBySeller {
  init(injector) {
    this.hydrator = injector.get(EntityHydrator);
  }

  async assignShippingLineToOrderLines(ctx, shippingLine, order) {
    await this.hydrator.hydrate(ctx, shippingLine, { relations: ['shippingMethod.channels'] });
    const seller = sellersOf(shippingLine.shippingMethod.channels)[0];
    return order.lines.filter((line) => line.sellerChannelId === seller.id);
  }
}

let hydrator;
export const sellsInOrder = new ShippingEligibilityChecker({
  code: 'sells-in-order',
  description: [{ languageCode: 'en', value: 'For orders with something of the seller' }],
  args: {},
  init(injector) {
    hydrator = injector.get(EntityHydrator);
  },
  async check(ctx, order, args, method) {
    await hydrator.hydrate(ctx, method, { relations: ['channels'] });
    const sellers = new Set(sellersOf(method.channels).map((channel) => channel.id));
    return order.lines.some((line) => sellers.has(line.sellerChannelId));
  },
});
