// A constant load: `node load-client.mjs URL REQUESTS_PER_SECOND` asks, each time over a new connection, until it gets SIGTERM; then
// waits for what is under way and prints {"sent", "failed": [{"atMs", "why"}], "servers": {body: count}, "slowestMs"} as JSON.
import { get } from 'node:http';

const [url, rate] = process.argv.slice(2);
const failed = [];
const servers = {};
const began = performance.now();
let sent = 0;
let open = 0;
let slowestMs = 0;
let stopping = false;

function ask() {
  const at = performance.now();
  sent += 1;
  open += 1;
  const end = (why) => {
    open -= 1;
    slowestMs = Math.max(slowestMs, performance.now() - at);
    if (why !== undefined) failed.push({ atMs: Math.round(at - began), why });
    if (stopping && open === 0) report();
  };
  const request = get(url, { agent: false, timeout: 5000 }, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (text) => {
      body += text;
    });
    response.on('end', () => {
      servers[body.trim()] = (servers[body.trim()] ?? 0) + 1;
      end(response.statusCode === 200 ? undefined : `status ${response.statusCode}`);
    });
  });
  let over = false;
  const fail = (why) => {
    if (over) return;
    over = true;
    end(why);
  };
  request.on('timeout', () => request.destroy(new Error('no answer in 5 s')));
  request.on('error', (err) => fail(err.message));
}

function report() {
  process.stdout.write(JSON.stringify({ sent, failed, servers, slowestMs: Math.round(slowestMs) }));
  process.exit(0);
}

const everyMs = 1000 / Number(rate);
const timer = setInterval(() => {
  // As many as are due by now: a timer that comes late makes up for it.
  while (sent < (performance.now() - began) / everyMs) ask();
}, 5);
process.on('SIGTERM', () => {
  stopping = true;
  clearInterval(timer);
  if (open === 0) report();
});
process.stdout.write('');
