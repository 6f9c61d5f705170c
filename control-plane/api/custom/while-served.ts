import { ApiError } from '../../../lib/errors.ts';
import { qualifiedPlural } from '../api-errors.ts';
import type { Target } from '../request/target.ts';
import type { ApiServices } from '../services.ts';

/** Aborts with `signal`, or with the reason when the target's kind changes in such a way that a watch of it cannot go on. */
export interface ServedSignal {
  readonly signal: AbortSignal;
  /** Throws when it was the kind, and not the caller, that ended it. */
  readonly throwIfGone: () => void;
  readonly release: () => void;
}

/** For a watch of `target`. Kinds built in stay as they are: for them it is `signal` itself. */
export function whileServed({ registry }: ApiServices, target: Target, signal: AbortSignal): ServedSignal {
  const { definition, served } = target;
  if (definition.custom === undefined || registry.onChange === undefined) {
    return { signal, throwIfGone: () => undefined, release: () => undefined };
  }
  const gone = new AbortController();
  const check = (): void => {
    const now = registry.findDefinition(served.type.apiVersion, served.type.kind);
    if (now === undefined) gone.abort(noLongerServed(target));
    else if (now.storedAs?.type.apiVersion !== served.storedAs?.type.apiVersion) gone.abort(storedAnew(target));
  };
  const stop = registry.onChange(check);
  check();
  return {
    signal: AbortSignal.any([signal, gone.signal]),
    throwIfGone: () => {
      if (gone.signal.aborted && !signal.aborted) throw gone.signal.reason;
    },
    release: stop,
  };
}

function noLongerServed({ served, definition }: Target): ApiError {
  const { apiVersion, kind } = served.type;
  const why = `customresourcedefinitions.apiextensions.k8s.io "${definition.custom?.definedBy ?? ''}" was deleted or changed`;
  return new ApiError('NotFound', `${kind} of ${apiVersion} is no longer served: ${why}`);
}

function storedAnew({ served }: Target): ApiError {
  return new ApiError('Expired', `${qualifiedPlural(served.type)} are stored in another version now: list again`);
}
