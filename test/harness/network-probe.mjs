// Both ends of a network under test. `node network-probe.mjs serve PORT…` answers on each port, by HTTP and by UDP, with its host name, the
// port and the address of who asks. `node network-probe.mjs ask JSON` takes [[way, host, port], …], asks them one after another and prints
// the answers as JSON: the text that came, the names or addresses found (sorted, one space between), or the code of the error.
import { createSocket } from 'node:dgram';
import { promises as dns } from 'node:dns';
import { createServer, get } from 'node:http';
import { connect } from 'node:net';
import { hostname } from 'node:os';

const PATIENCE_MS = 2000;
const [mode, ...words] = process.argv.slice(2);

function serve(port) {
  const line = (address) => `${hostname()} ${port} ${address}\n`;
  createServer((request, response) => response.end(line(request.socket.remoteAddress))).listen(port, '0.0.0.0');
  const socket = createSocket('udp4');
  socket.on('message', (_text, { address, port: from }) => socket.send(line(address), from, address));
  socket.bind(port);
}

const ways = {
  http: (host, port) =>
    new Promise((resolve, reject) => {
      const request = get({ host, port, family: 4, agent: false, timeout: PATIENCE_MS }, (response) => {
        let text = '';
        response.on('data', (data) => {
          text += data;
        });
        response.on('end', () => resolve(text.trim()));
      });
      request.on('timeout', () => request.destroy(new Error('silent')));
      request.on('error', reject);
    }),
  udp: (host, port) =>
    new Promise((resolve, reject) => {
      const socket = createSocket('udp4');
      const timer = setTimeout(() => end(reject, new Error('silent')), PATIENCE_MS);
      const end = (settle, value) => {
        clearTimeout(timer);
        socket.close();
        settle(value);
      };
      socket.on('error', (err) => end(reject, err));
      socket.on('message', (text) => end(resolve, String(text).trim()));
      // Connected, so that a refusal is heard.
      socket.connect(port, host, () => socket.send('?'));
    }),
  open: (host, port) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port, family: 4, timeout: PATIENCE_MS });
      socket.on('connect', () => resolve('open'));
      socket.on('timeout', () => reject(new Error('silent')));
      socket.on('error', reject);
    }),
  // By the C library: hosts file, search list and all.
  lookup: async (host) => sorted((await dns.lookup(host, { all: true, family: 4 })).map(({ address }) => address)),
  cname: async (host) => sorted(await dns.resolveCname(host)),
  srv: async (host) => sorted((await dns.resolveSrv(host)).map(({ name, port }) => `${name}:${port}`)),
};

const sorted = (list) => list.sort().join(' ');

if (mode === 'serve') {
  process.on('SIGTERM', () => process.exit(0));
  for (const port of words) serve(Number(port));
} else {
  const answers = [];
  for (const [way, host, port] of JSON.parse(words[0])) {
    answers.push(await ways[way](host, port).catch((err) => err.code ?? err.message));
  }
  process.stdout.write(JSON.stringify(answers), () => process.exit(0));
}
