/**
 * Debian's nginx under the names that the Kubernetes documentation asks for, laid out as people know that image: pages in
 * /usr/share/nginx/html, servers in /etc/nginx/conf.d, logs to standard output and error.
 */

import { run } from '../../lib/exec.ts';
import type { ImageSpec, LayerFile } from '../../lib/oci-image-writer.ts';
import { busyboxLayer, PATH_VARIABLE } from './busybox.ts';
import { hostFile, hostFolder, sharedLibraries } from './host-files.ts';

/** The versions named in the documentation's examples. */
export const NGINX_REFERENCES = ['latest', '1.7.9', '1.14.2', '1.16.1'].map((tag) => `docker.io/library/nginx:${tag}`);

const PROGRAM = '/usr/sbin/nginx';
const DEBIAN_PACKAGE = 'nginx-light';

const NGINX_CONF = `user nginx;
worker_processes 1;
error_log stderr notice;
pid /run/nginx.pid;
events {
    worker_connections 1024;
}
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';
    access_log /dev/stdout main;
    sendfile on;
    keepalive_timeout 65;
    include /etc/nginx/conf.d/*.conf;
}
`;

const DEFAULT_CONF = `server {
    listen 80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html;
    }
}
`;

/** The images of Debian's one nginx under each name; a label tells them apart, so that a change of tag is a change of image. */
export async function nginxImages(references: readonly string[]): Promise<ImageSpec[]> {
  const layers = [await busyboxLayer(), await nginxLayer()];
  const version = await nginxVersion();
  return references.map((reference) => ({
    references: [reference],
    layers,
    config: {
      Env: [PATH_VARIABLE, `NGINX_VERSION=${version}`],
      Cmd: ['nginx', '-g', 'daemon off;'],
      StopSignal: 'SIGQUIT',
      ExposedPorts: { '80/tcp': {} },
      Labels: { 'skiff.demo.name': reference, 'skiff.demo.content': `nginx ${version} from Debian` },
    },
  }));
}

async function nginxLayer(): Promise<LayerFile[]> {
  // In Debian's package this is where mime types and parameter files are.
  const settings = ['mime.types', 'fastcgi_params', 'uwsgi_params', 'scgi_params'].map((name) =>
    hostFile(`/etc/nginx/${name}`, { debianPackage: 'nginx-common' }),
  );
  const program = hostFile(PROGRAM, { debianPackage: DEBIAN_PACKAGE });
  return [
    program,
    ...(await sharedLibraries(PROGRAM)),
    ...settings,
    ...hostFolder('/usr/share/nginx/html'),
    { kind: 'file', path: 'etc/nginx/nginx.conf', content: NGINX_CONF },
    { kind: 'file', path: 'etc/nginx/conf.d/default.conf', content: DEFAULT_CONF },
    { kind: 'symlink', path: 'var/log/nginx/access.log', target: '/dev/stdout' },
    { kind: 'symlink', path: 'var/log/nginx/error.log', target: '/dev/stderr' },
    { kind: 'directory', path: 'var/lib/nginx' },
  ];
}

async function nginxVersion(): Promise<string> {
  const { stderr } = await run(PROGRAM, ['-v']);
  return /nginx\/(\S+)/.exec(stderr)?.[1] ?? 'unknown';
}
