import { ApiError } from '../../../lib/errors.ts';
import type { AdmissionStep } from '../admission/admission-step.ts';

/** Refuses new objects of a custom kind whose definition is being deleted. */
export const noNewCustomObjects: AdmissionStep = ({ operation, definition }) => {
  if (operation !== 'CREATE' || definition.custom?.terminating !== true) return;
  throw new ApiError(
    'MethodNotAllowed',
    `create not allowed while custom resource definition ${definition.custom.definedBy} is terminating`,
  );
};
