/** What is wrong with volumes that bring several sources together in one folder. */
import type { ErrorCause } from '../../../lib/errors.ts';
import { dnsSubdomain, qualifiedName } from '../../../lib/name-rules.ts';
import type { corev1 } from '../../../proto/index.ts';
import { byRule, forbidden, invalid, required } from '../validation/field-errors.ts';
import { validateLabelSelector } from '../validation/labels.ts';
import { validateFileMode } from '../validation/texts.ts';
import { validateObjectName } from './env.ts';
import { filePath, validateFactFiles, validateKeyFiles } from './volume-files.ts';

const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

/** Everything wrong with the volume at `path`. */
export function validateProjected(projected: corev1.ProjectedVolumeSource, path: string): ErrorCause[] {
  const sources = projected.sources ?? [];
  return [
    ...validateFileMode(`${path}.defaultMode`, projected.defaultMode),
    ...sources.flatMap((source, i) => validateProjection(source, `${path}.sources[${i}]`)),
    ...validateDistinct(sources.flatMap(filesOf), path),
  ];
}

function validateProjection(source: corev1.VolumeProjection, path: string): ErrorCause[] {
  const { clusterTrustBundle, configMap, secret, downwardAPI, serviceAccountToken } = source;
  const given = Object.entries(source).filter(([key, value]) => key !== '_unknownFields' && value !== undefined);
  const causes = given
    .slice(1)
    .map(([name]) => forbidden(`${path}.${name}`, 'may not specify more than 1 volume type'));
  if (given.length === 0) causes.push(required(path, 'must specify a volume type'));
  if (configMap !== undefined) {
    causes.push(
      ...validateObjectName(configMap.name, `${path}.configMap.name`),
      ...validateKeyFiles(configMap, `${path}.configMap`),
    );
  }
  if (secret !== undefined) {
    causes.push(
      ...validateObjectName(secret.name, `${path}.secret.name`),
      ...validateKeyFiles(secret, `${path}.secret`),
    );
  }
  if (downwardAPI !== undefined)
    causes.push(...validateFactFiles(downwardAPI.items ?? [], `${path}.downwardAPI.items`));
  if (serviceAccountToken !== undefined)
    causes.push(...validateToken(serviceAccountToken, `${path}.serviceAccountToken`));
  if (clusterTrustBundle !== undefined)
    causes.push(...validateTrustBundle(clusterTrustBundle, `${path}.clusterTrustBundle`));
  return causes;
}

function validateToken(token: corev1.ServiceAccountTokenProjection, path: string): ErrorCause[] {
  const { expirationSeconds: seconds, path: file = '' } = token;
  const at = `${path}.expirationSeconds`;
  const causes = file === '' ? [] : byRule(`${path}.path`, file, filePath);
  if (seconds !== undefined && seconds < MIN_TOKEN_SECONDS)
    causes.push(invalid(at, seconds, 'may not specify a duration less than 10 minutes'));
  if (seconds !== undefined && seconds > MAX_TOKEN_SECONDS)
    causes.push(invalid(at, seconds, 'may not specify a duration larger than 2^32 seconds'));
  return causes;
}

function validateTrustBundle(bundle: corev1.ClusterTrustBundleProjection, path: string): ErrorCause[] {
  const { labelSelector, name, path: file = '', signerName } = bundle;
  const causes = file === '' ? [] : byRule(`${path}.path`, file, filePath);
  if (name !== undefined && signerName !== undefined)
    causes.push(invalid(path, bundle, 'only one of name and signerName may be used'));
  else if (name !== undefined) {
    causes.push(...byRule(`${path}.name`, name.replaceAll(':', '.'), dnsSubdomain));
    if (labelSelector !== undefined)
      causes.push(invalid(`${path}.labelSelector`, labelSelector, 'must be unset if name is specified'));
  } else if (signerName !== undefined) {
    causes.push(...byRule(`${path}.signerName`, signerName, qualifiedName));
    causes.push(...validateLabelSelector(labelSelector, `${path}.labelSelector`));
  } else causes.push(required(path, 'either name or signerName must be specified'));
  return causes;
}

/** Every file that a source is known to bring, with what it comes from. */
function filesOf(source: corev1.VolumeProjection): { file: string; from: string }[] {
  const { clusterTrustBundle, configMap, secret, downwardAPI, podCertificate, serviceAccountToken } = source;
  const ofKeys = (from: corev1.ConfigMapProjection | corev1.SecretProjection | undefined) =>
    (from?.items ?? []).map((item) => ({ file: item.path ?? '', from: from?.name ?? '' }));
  const single = [
    ...(downwardAPI?.items ?? []).map((item) => item.path),
    clusterTrustBundle?.path,
    serviceAccountToken?.path,
    podCertificate?.certificateChainPath,
    podCertificate?.credentialBundlePath,
    podCertificate?.keyPath,
  ];
  return [...ofKeys(configMap), ...ofKeys(secret), ...single.map((file = '') => ({ file, from: file }))];
}

function validateDistinct(files: readonly { file: string; from: string }[], path: string): ErrorCause[] {
  const seen = new Set<string>();
  return files.flatMap(({ file, from }) => {
    if (file === '') return [];
    if (seen.has(file)) return [invalid(path, from, 'conflicting duplicate paths')];
    seen.add(file);
    return [];
  });
}
