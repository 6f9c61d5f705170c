/** Server-side apply's merge: a configuration laid over a live object, and what an applier gave up taken out again. */
import type { Json, JsonObject } from '../../proto/index.ts';
import { below, type FieldSet } from './field-set.ts';
import { memberStep } from './fields-v1.ts';
import { isObject, member, setMember } from './json-value.ts';
import { stepOf } from './list-steps.ts';
import type { ListMapNode, SchemaNode, SetNode } from './schema-node.ts';

/**
 * `live` with everything `config` names set to what it says: objects and maps merge, lists merge by their elements, leaves are
 * replaced, null unsets. Neither argument is changed; the result may share parts with both.
 */
export function mergeConfig(node: SchemaNode, live: JsonObject, config: JsonObject): JsonObject {
  return mergeValue(node, live, config) as JsonObject;
}

function mergeValue(node: SchemaNode, live: Json | undefined, config: Json): Json {
  if (node.kind === 'object' && isObject(config)) {
    const out: JsonObject = isObject(live) ? { ...live } : {};
    for (const [name, value] of Object.entries(config)) {
      if (value === null) delete out[name];
      else setMember(out, name, mergeValue(node.child(name), member(out, name), value));
    }
    return out;
  }
  if ((node.kind === 'set' || node.kind === 'listMap') && Array.isArray(config)) {
    return mergeElements(node, Array.isArray(live) ? live : [], config);
  }
  return config;
}

/**
 * The elements of both. Those the configuration names stand in its order. Those only the live list has stand before the next
 * one that both have, ahead of what the configuration adds there.
 */
function mergeElements(node: SetNode | ListMapNode, live: readonly Json[], config: readonly Json[]): Json[] {
  const asked = new Map(config.map((item) => [stepOf(node, item), item]));
  const liveSteps = live.map((item) => stepOf(node, item));
  const liveOf = new Map<string, Json>();
  for (const [i, step] of liveSteps.entries()) if (!liveOf.has(step)) liveOf.set(step, live[i] ?? null);
  const order = [...asked.keys()];
  const shared = order.filter((step) => liveOf.has(step));
  const out: Json[] = [];
  let l = 0;
  let r = 0;
  let next = 0;
  while (l < live.length || r < order.length) {
    const liveStep = liveSteps[l];
    const askedStep = order[r];
    if (liveStep !== undefined && !asked.has(liveStep)) {
      out.push(live[l] ?? null);
      l += 1;
    } else if (
      liveStep !== undefined &&
      liveStep !== askedStep &&
      (liveStep !== shared[next] || askedStep === undefined)
    ) {
      // The configuration puts it elsewhere.
      l += 1;
    } else if (askedStep !== undefined) {
      const item = asked.get(askedStep) ?? null;
      out.push(node.kind === 'set' ? item : mergeValue(node.element, liveOf.get(askedStep), item));
      if (askedStep === shared[next]) next += 1;
      if (askedStep === liveStep) l += 1;
      r += 1;
    }
  }
  return out;
}

/** What decides about removals. */
export interface Removal {
  /** What the applier owned before. */
  readonly last: FieldSet;
  /** What anybody owns now, the applier's new configuration included. */
  readonly owned: FieldSet;
}

/**
 * `merged` without the fields the applier owned before and nobody owns any longer. An element or an object that goes takes
 * along what is in it, unless somebody owns the object through a field inside.
 */
export function removeGivenUp(node: SchemaNode, merged: JsonObject, { last, owned }: Removal): JsonObject {
  const pruned = prune({ node, last, owned, underLast: false, isDead: false }, merged);
  return isObject(pruned) ? pruned : {};
}

interface Place extends Removal {
  readonly node: SchemaNode;
  /** The applier owned this value, or one around it. */
  readonly underLast: boolean;
  /** So it did, and nobody owns that value any longer. */
  readonly isDead: boolean;
}

function prune(place: Place, value: Json): Json | undefined {
  const { node, last, owned } = place;
  if (last.children.size === 0) return value;
  if (node.kind === 'object' && isObject(value)) {
    const out: JsonObject = {};
    for (const [name, inner] of Object.entries(value)) {
      const kept = pruneChild(
        place,
        { step: memberStep(name), child: node.child(name), isField: node.isField(name) },
        inner,
      );
      if (kept !== undefined) setMember(out, name, kept);
    }
    if (Object.keys(out).length > 0) return out;
    // Somebody may own the object for its own sake, with nothing in it.
    return owned.own && node.dropsEmpty !== true ? out : undefined;
  }
  if ((node.kind === 'set' || node.kind === 'listMap') && Array.isArray(value)) {
    const child: SchemaNode = node.kind === 'set' ? { kind: 'leaf' } : node.element;
    const out = value.flatMap((item) => {
      const kept = pruneChild(place, { step: stepOf(node, item), child, isField: false }, item);
      return kept === undefined ? [] : [kept];
    });
    return out.length === 0 ? undefined : out;
  }
  return value;
}

interface Step {
  readonly step: string;
  readonly child: SchemaNode;
  readonly isField: boolean;
}

function pruneChild(place: Place, { step, child, isField }: Step, value: Json): Json | undefined {
  const last = below(place.last, step);
  const owned = below(place.owned, step);
  const wasOwned = holds(last, isField);
  const underLast = place.underLast || wasOwned;
  const isDead = place.isDead || (underLast && !holds(owned, isField));
  if (wasOwned && isDead) return undefined;
  return prune({ node: child, last, owned, underLast, isDead }, value);
}

/** A field of the schema counts as owned through what is in it; elements and keys of maps only by themselves. */
function holds(set: FieldSet, isField: boolean): boolean {
  return set.own || (isField && set.children.size > 0);
}
