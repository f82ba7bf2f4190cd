// The audits of graphql-http: every MUST, SHOULD and MAY.
import { auditServer } from 'graphql-http';
import { url } from './setting.mjs';

const results = await auditServer({ url });
const failed = results.filter((each) => each.status !== 'ok');
for (const each of failed) console.log(`  ${each.status}  ${each.id} ${each.name}: ${each.reason}`);
for (const level of ['MUST', 'SHOULD', 'MAY']) {
  const ofLevel = results.filter((each) => each.name.startsWith(level));
  const passed = ofLevel.filter((each) => each.status === 'ok');
  console.log(`  ${passed.length} of ${ofLevel.length} audits of ${level} passed`);
}
console.log(`  ${results.length - failed.length} of ${results.length} audits passed`);
process.exit(failed.length ? 1 : 0);
