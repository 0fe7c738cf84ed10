// The client library in Node: every case of cases.js.

import { test } from 'node:test';
import * as library from '../../web-demo/consultd-client.js';
import { cases } from './cases.js';

for (const [name, run] of cases) {
  test(name, () => run(library));
}
