import { configMap } from './config-map.ts';
import { cronJob } from './cron-job.ts';
import { deployment } from './deployment.ts';
import type { Generator } from './generator.ts';
import { ingress } from './ingress.ts';
import { job } from './job.ts';
import { namespace } from './namespace.ts';
import { podDisruptionBudget } from './pod-disruption-budget.ts';
import { priorityClass } from './priority-class.ts';
import { quota } from './quota.ts';
import { clusterRole, role } from './role.ts';
import { clusterRoleBinding, roleBinding } from './role-binding.ts';
import { secretDockerRegistry } from './secret-docker-registry.ts';
import { secretGeneric } from './secret-generic.ts';
import { secretTls } from './secret-tls.ts';
import { services } from './service.ts';
import { serviceAccount } from './service-account.ts';

/** Everything that `create` makes from arguments, in the order of its help. */
export const GENERATORS: readonly Generator[] = [
  namespace,
  configMap,
  secretGeneric,
  secretDockerRegistry,
  secretTls,
  deployment,
  job,
  cronJob,
  ...services,
  ingress,
  serviceAccount,
  role,
  clusterRole,
  roleBinding,
  clusterRoleBinding,
  quota,
  priorityClass,
  podDisruptionBudget,
];
