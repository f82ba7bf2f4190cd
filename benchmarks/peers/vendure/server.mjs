// Vendure at a Unix socket: DATABASE_HOST, DATABASE_PORT, DATABASE, SOCKET; what it sells is written to MALL as JSON.
import { rename, writeFile } from 'node:fs/promises';
import { bootstrap, configureDefaultOrderProcess, DefaultLogger, dummyPaymentHandler, LogLevel } from '@vendure/core';
import { build } from './mall.mjs';
import { AllocatedOnce, sellsInOrder, ShippedBySeller, SplitBySeller } from './sellers.mjs';

const { DATABASE_HOST, DATABASE_PORT, DATABASE, MALL, SIZES, SOCKET } = process.env;
const app = await bootstrap({
  apiOptions: { port: 0, shopApiPath: 'graphql', adminApiPath: 'admin-api' },
  authOptions: {
    tokenMethod: 'bearer',
    requireVerification: false,
    superadminCredentials: { identifier: 'superadmin', password: 'benchmark' },
  },
  dbConnectionOptions: {
    type: 'postgres',
    host: DATABASE_HOST,
    port: Number(DATABASE_PORT),
    username: 'postgres',
    database: DATABASE,
    synchronize: true,
  },
  logger: new DefaultLogger({ level: LogLevel.Warn }),
  orderOptions: {
    process: [configureDefaultOrderProcess({ checkFulfillmentStates: false })],
    orderSellerStrategy: new SplitBySeller(),
    stockAllocationStrategy: new AllocatedOnce(),
  },
  paymentOptions: { paymentMethodHandlers: [dummyPaymentHandler] },
  shippingOptions: {
    shippingEligibilityCheckers: [sellsInOrder],
    shippingLineAssignmentStrategy: new ShippedBySeller(),
  },
});
await writeFile(MALL, JSON.stringify(await build(app, JSON.parse(SIZES))));
const server = app.getHttpServer();
await new Promise((resolve) => server.close(resolve));
server.keepAliveTimeout = 3_600_000;
server.listen(SOCKET);
process.on('SIGINT', () => process.exit(0));
