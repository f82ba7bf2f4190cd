// The mall that is bought in: sellers with some products each, scarce ones at the first, and signed-in buyers.
import {
  ChannelService, CustomerService, PaymentMethod, PaymentMethodService, Populator, ProductService,
  ProductVariantService, RequestContextService, RoleService, SellerService, SessionService, ShippingMethod,
  ShippingMethodService, StockLocation, StockLocationService, TaxCategoryService, TransactionalConnection, User,
  UserService,
} from '@vendure/core';
import { PAYMENT, sellsInOrder } from './sellers.mjs';

const languageCode = 'en';
const PLENTY = 1_000_000;

const BASICS = {
  defaultLanguage: languageCode,
  defaultZone: 'Brazil',
  countries: [{ name: 'Brazil', code: 'BR', zone: 'Brazil' }],
  taxRates: [{ name: 'None', percentage: 0 }],
  shippingMethods: [],
  paymentMethods: [],
  collections: [],
};

export async function build(app, { sellers, products, scarce, pieces, buyers }) {
  await app.get(Populator).populateInitialData(BASICS);
  let ctx = await asAdministrator(app);
  const handler = { code: 'dummy-payment-handler', arguments: [{ name: 'automaticSettle', value: 'true' }] };
  const payment = await app.get(PaymentMethodService).create(ctx, {
    code: PAYMENT,
    enabled: true,
    handler,
    translations: [{ languageCode, name: 'At once', description: '' }],
  });
  const opened = [];
  for (let number = 1; number <= sellers; number++) opened.push(await open(app, ctx, number, payment));
  ctx = await asAdministrator(app); // who may now act in the sellers' channels
  const made = { sellers: [], scarce: [], buyers: [] };
  for (const seller of opened) {
    const variants = [];
    for (let each = 0; each < products; each++) variants.push(await sell(app, ctx, seller, each, PLENTY));
    made.sellers.push({ variants, shipping: seller.shipping });
  }
  for (let each = 0; each < scarce; each++) made.scarce.push(await sell(app, ctx, opened[0], products + each, pieces));
  for (let number = 0; number < buyers; number++) made.buyers.push(await signIn(app, ctx, number));
  return made;
}

async function asAdministrator(app) {
  const users = app.get(TransactionalConnection).rawConnection.getRepository(User);
  const user = await users.findOneByOrFail({ identifier: 'superadmin' });
  return app.get(RequestContextService).create({ apiType: 'admin', user });
}

async function open(app, ctx, number, payment) {
  const channels = app.get(ChannelService);
  const role = await app.get(RoleService).getSuperAdminRole(ctx);
  const { id: sellerId } = await app.get(SellerService).create(ctx, { name: `Shop ${number}` });
  const mall = await channels.getDefaultChannel(ctx);
  const channel = await channels.create(ctx, {
    code: `shop-${number}`,
    token: `shop-${number}`,
    sellerId,
    defaultLanguageCode: languageCode,
    availableLanguageCodes: [languageCode],
    pricesIncludeTax: mall.pricesIncludeTax,
    defaultCurrencyCode: mall.defaultCurrencyCode,
    availableCurrencyCodes: [mall.defaultCurrencyCode],
    defaultShippingZoneId: mall.defaultShippingZone.id,
    defaultTaxZoneId: mall.defaultTaxZone.id,
  });
  const location = await app.get(StockLocationService).create(ctx, { name: `Warehouse ${number}` });
  await channels.assignToChannels(ctx, StockLocation, location.id, [channel.id]);
  const shipping = await app.get(ShippingMethodService).create(ctx, {
    code: `shop-${number}`,
    fulfillmentHandler: 'manual-fulfillment',
    checker: { code: sellsInOrder.code, arguments: [] },
    calculator: {
      code: 'default-shipping-calculator',
      arguments: [
        { name: 'rate', value: '1000' },
        { name: 'includesTax', value: 'auto' },
        { name: 'taxRate', value: '0' },
      ],
    },
    translations: [{ languageCode, name: `Shop ${number}`, description: '' }],
  });
  await channels.assignToChannels(ctx, ShippingMethod, shipping.id, [channel.id]);
  await channels.assignToChannels(ctx, PaymentMethod, payment.id, [channel.id]);
  await app.get(RoleService).assignRoleToChannel(ctx, role.id, channel.id);
  return { number, channelId: channel.id, stockLocationId: location.id, shipping: shipping.id };
}

async function sell(app, ctx, seller, number, stockOnHand) {
  const name = `Kite ${seller.number}-${number}`;
  const slug = `kite-${seller.number}-${number}`;
  const product = await app.get(ProductService).create(ctx, {
    enabled: true,
    translations: [{ languageCode, name, slug, description: 'A kite' }],
  });
  const [taxCategory] = (await app.get(TaxCategoryService).findAll(ctx)).items;
  const [variant] = await app.get(ProductVariantService).create(ctx, [{
    productId: product.id,
    sku: slug,
    price: 1_999 + 1_111 * number,
    taxCategoryId: taxCategory.id,
    trackInventory: 'TRUE',
    stockLevels: [{ stockLocationId: seller.stockLocationId, stockOnHand }],
    translations: [{ languageCode, name }],
  }]);
  const { channelId } = seller;
  await app.get(ProductService).assignProductsToChannel(ctx, { channelId, productIds: [product.id], priceFactor: 1 });
  return variant.id;
}

async function signIn(app, ctx, number) {
  const emailAddress = `buyer-${number}@mall.test`;
  const customers = app.get(CustomerService);
  const { id } = await customers.create(ctx, { firstName: 'Buyer', lastName: `${number}`, emailAddress }, 'benchmark');
  const { user } = await customers.findOne(ctx, id, ['user']);
  const whole = await app.get(UserService).getUserById(ctx, user.id);
  return (await app.get(SessionService).createNewAuthenticatedSession(ctx, whole, 'native')).token;
}
