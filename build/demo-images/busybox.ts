/** A small system of Debian's busybox: a shell and 260 tools in one static program. */

import { run } from '../../lib/exec.ts';
import type { ImageSpec, LayerFile } from '../../lib/oci-image-writer.ts';
import { hostFile } from './host-files.ts';

/** What the images call PATH. */
export const PATH_VARIABLE = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Names that documentation and examples ask for. */
export const BUSYBOX_REFERENCES = ['latest', '1', '1.28', '1.35', '1.36', '1.36.1', '1.37'].map(
  (tag) => `docker.io/library/busybox:${tag}`,
);

/** The files of the system. Images built on it put theirs into further layers, so that this one is stored once. */
export async function busyboxLayer(): Promise<LayerFile[]> {
  const program = hostFile('/usr/bin/busybox', { debianPackage: 'busybox-static', as: 'bin/busybox' });
  const { stdout } = await run('/usr/bin/busybox', ['--list-full']);
  const tools = stdout
    .split('\n')
    .filter((path) => path !== '' && path !== 'bin/busybox')
    .map((path): LayerFile => ({ kind: 'symlink', path, target: '/bin/busybox' }));
  return [
    program,
    ...tools,
    { kind: 'directory', path: 'root', mode: 0o700 },
    { kind: 'directory', path: 'tmp', mode: 0o1777 },
    { kind: 'directory', path: 'var/tmp', mode: 0o1777 },
    ...['dev', 'proc', 'sys', 'run', 'home', 'mnt', 'opt', 'srv', 'usr/local/bin', 'var/log', 'var/lib'].map(
      (path): LayerFile => ({ kind: 'directory', path }),
    ),
    {
      kind: 'file',
      path: 'etc/passwd',
      content: [
        'root:x:0:0:root:/root:/bin/sh',
        'daemon:x:1:1:daemon:/usr/sbin:/bin/false',
        'www-data:x:33:33:www-data:/var/www:/bin/false',
        'nginx:x:101:101:nginx:/nonexistent:/bin/false',
        'nobody:x:65534:65534:nobody:/home:/bin/false',
        '',
      ].join('\n'),
    },
    {
      kind: 'file',
      path: 'etc/group',
      content: 'root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nusers:x:100:\nnginx:x:101:\nnogroup:x:65534:\n',
    },
    { kind: 'file', path: 'etc/nsswitch.conf', content: 'passwd: files\ngroup: files\nhosts: files dns\n' },
  ];
}

/** The image itself: runs a shell unless told otherwise. */
export async function busyboxImages(references: readonly string[]): Promise<ImageSpec[]> {
  return [{ references, layers: [await busyboxLayer()], config: { Env: [PATH_VARIABLE], Cmd: ['sh'] } }];
}
