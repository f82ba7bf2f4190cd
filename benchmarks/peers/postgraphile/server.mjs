// PostGraphile over one schema: DATABASE_URL, SCHEMA, SOCKET. It signs nobody in.
import { createServer } from 'node:http';
import { postgraphile } from 'postgraphile';
import { makePgService } from 'postgraphile/adaptors/pg';
import { grafserv } from 'postgraphile/grafserv/node';
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber';
import { pgSmartTags } from 'postgraphile/utils';

const { DATABASE_URL, SCHEMA, SOCKET } = process.env;
// It offers to sort by a column only where an index begins with it; lines are sorted within their order.
const sortLines = pgSmartTags({
  kind: 'attribute',
  match: `${SCHEMA}.order_line.position`,
  tags: { behavior: '+orderBy' },
});
const preset = {
  extends: [PostGraphileAmberPreset],
  plugins: [sortLines],
  pgServices: [makePgService({ connectionString: DATABASE_URL, schemas: [SCHEMA] })],
  grafserv: { graphqlPath: '/graphql', graphiql: false, watch: false },
};

const server = createServer();
const served = postgraphile(preset).createServ(grafserv);
await served.addTo(server);
await served.ready();
server.keepAliveTimeout = 3_600_000;
server.listen(SOCKET);
process.on('SIGINT', () => process.exit(0));
