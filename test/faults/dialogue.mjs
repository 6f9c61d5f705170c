// Talks to a cluster without pause: `node dialogue.mjs DNS_ADDRESS NAME ADDRESS PORT` asks for the name ten times a second, and says a line
// over one connection to ADDRESS:PORT, which echoes; until it gets SIGTERM. Then prints {"asked", "longestSilenceMs", "said", "echoed",
// "connections"} as JSON: the longest time without an answer to a name, and what became of the lines.
import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';

const [dns, name, address, port] = process.argv.slice(2);
const report = { asked: 0, longestSilenceMs: 0, said: 0, echoed: 0, broken: '' };
let answeredMs = performance.now();

async function ask() {
  const resolver = new Resolver({ timeout: 300, tries: 1 });
  resolver.setServers([dns]);
  report.asked += 1;
  try {
    await resolver.resolve4(name);
  } catch {
    return;
  }
  silence();
  answeredMs = performance.now();
}

function silence() {
  report.longestSilenceMs = Math.round(Math.max(report.longestSilenceMs, performance.now() - answeredMs));
}

const line = connect(Number(port), address);
line.setEncoding('utf8').on('data', (text) => {
  report.echoed += text.length;
});
line.on('error', (err) => {
  report.broken = err.message;
});
const timer = setInterval(() => {
  void ask();
  report.said += 1;
  line.write('.');
}, 100);

process.on('SIGTERM', () => {
  clearInterval(timer);
  silence();
  setTimeout(() => {
    process.stdout.write(JSON.stringify(report));
    process.exit(0);
  }, 500);
});
