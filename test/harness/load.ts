/** A constant load on an address, from the network of one machine of a test. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** What a load saw. */
export interface LoadReport {
  readonly sent: number;
  /** Each with when it was sent, from the beginning of the load. */
  readonly failed: readonly { readonly atMs: number; readonly why: string }[];
  /** Answers by what they said. */
  readonly servers: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

/** A load that runs. */
export interface Load {
  /** Ends it, waits for the requests under way, and gives what it saw. */
  stop(): Promise<LoadReport>;
}

/** Starts `perSecond` requests a second to `url`, each over a connection of its own, in the network namespace `netns`. */
export function startLoad(netns: string, url: string, perSecond = 200): Load {
  const script = join(import.meta.dirname, 'load-client.mjs');
  const child = spawn('nsenter', [`--net=/run/netns/${netns}`, process.execPath, script, url, String(perSecond)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = once(child, 'close');
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      return JSON.parse(text) as LoadReport;
    },
  };
}
