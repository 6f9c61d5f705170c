/** Objects that tests of the command line apply. */

/** A Deployment of `replicas` pods with one container `c`. */
export function deployment(name: string, image = 'nginx:1', replicas = 2): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image }] } },
    },
  };
}

/** A ConfigMap. */
export function configMap(name: string, data: object = {}) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data };
}
