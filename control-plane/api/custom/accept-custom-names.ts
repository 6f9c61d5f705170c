import { rfc3339 } from '../../../lib/clock.ts';
import { type apiextensionsv1, KINDS } from '../../../proto/index.ts';
import { acceptNames, takenNames } from '../../resources/custom/accepted-names.ts';
import { loadRules } from '../../resources/custom/cel-engine.ts';
import { carriesRules } from '../../resources/custom/validate-rules.ts';
import { allDefinitions } from '../../resources/registry.ts';
import type { AdmissionStep } from '../admission/admission-step.ts';
import { collectionPrefix } from '../keys.ts';

type Definition = apiextensionsv1.CustomResourceDefinition;

const builtIn = allDefinitions().map(({ type }) => type);

/**
 * Says in a definition's status which names its kind gets, so that it is served when the write is answered. A name that
 * another of its group has is left out; it gets it when that one goes.
 */
export const acceptCustomNames: AdmissionStep = async ({ definition, subresource, object, old }, services) => {
  if (definition.type !== (KINDS.CustomResourceDefinition as object) || subresource !== '') return;
  const wanted = object as Definition;
  // Validation, which comes next, looks into the rules.
  if (carriesRules(wanted)) await loadRules();
  if (old === undefined) delete wanted.status;
  const { entries } = services.cache.list(collectionPrefix(KINDS.CustomResourceDefinition));
  const others = entries.flatMap((entry) => (entry.object === undefined ? [] : [entry.object as Definition]));
  const accepted = acceptNames(wanted, { taken: takenNames(wanted, others, builtIn) }, rfc3339(services.now()));
  if (accepted.status !== undefined) wanted.status = accepted.status;
};
