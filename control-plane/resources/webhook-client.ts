/** How a webhook is reached: by a URL or through a service. */
import type { ErrorCause } from '../../lib/errors.ts';
import { dnsSubdomain } from '../../lib/name-rules.ts';
import type { admissionregistrationv1 } from '../../proto/index.ts';
import { invalid, required } from './validation/field-errors.ts';

const FORM = '; desired format: https://host[/path]';
const MAX_PORT = 65_535;

/** What is wrong with a webhook's client configuration that is there. */
export function validateWebhookClient(
  config: admissionregistrationv1.WebhookClientConfig,
  field: string,
): ErrorCause[] {
  const { url, service } = config;
  if ((url === undefined) === (service === undefined)) {
    return [required(field, 'exactly one of url or service is required')];
  }
  if (service !== undefined) return validateService(service, `${field}.service`);
  return validateUrl(url ?? '', `${field}.url`);
}

function validateUrl(text: string, field: string): ErrorCause[] {
  const scheme = /^([a-z][-a-z0-9+.]*):/i.exec(text)?.[1] ?? '';
  if (!URL.canParse(text)) {
    if (/^https:\/*$/.test(text)) return [invalid(field, '', `host must be specified${FORM}`)];
    return [required(field, `url must be a valid URL${FORM}`)];
  }
  const url = new URL(text);
  const causes: ErrorCause[] = [];
  if (scheme !== 'https') causes.push(invalid(field, scheme, `'https' is the only allowed URL scheme${FORM}`));
  if (url.host === '') causes.push(invalid(field, url.host, `host must be specified${FORM}`));
  if (url.username !== '' || url.password !== '') {
    // A password stays out of the message.
    causes.push(invalid(field, url.username, 'user information is not permitted in the URL'));
  }
  if (url.hash !== '') causes.push(invalid(field, url.hash.slice(1), 'fragments are not permitted in the URL'));
  if (url.search !== '') {
    causes.push(invalid(field, url.search.slice(1), 'query parameters are not permitted in the URL'));
  }
  return causes;
}

/** A service without name or namespace is refused by the schema. */
function validateService(service: admissionregistrationv1.ServiceReference, field: string): ErrorCause[] {
  const { port, path } = service;
  const causes = validateServicePort(`${field}.port`, port);
  if (path === undefined || path === '/') return causes;
  if (!path.startsWith('/')) return [...causes, invalid(`${field}.path`, path, "must start with a '/'")];
  const steps = path.slice(1).replace(/\/$/, '').split('/');
  for (const [i, step] of steps.entries()) {
    const problems = step === '' ? ['may not be empty'] : dnsSubdomain(step).map((problem) => `: ${problem}`);
    const words = problems.map((problem) => `segment[${i}]${problem.startsWith(':') ? '' : ' '}${problem}`);
    causes.push(...words.map((problem) => invalid(`${field}.path`, path, problem)));
  }
  return causes;
}

/** What is wrong with the port of a service that is called over TLS. */
export function validateServicePort(field: string, port: number | undefined): ErrorCause[] {
  if (port === undefined || (port >= 1 && port <= MAX_PORT)) return [];
  return [invalid(field, port, `port is not valid: must be between 1 and ${MAX_PORT}, inclusive`)];
}
