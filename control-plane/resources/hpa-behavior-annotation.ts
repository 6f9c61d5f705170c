/** An autoscaler's behavior as autoscaling/v1 writes it into an annotation: JSON whose names begin with capitals. */
import { type autoscalingv2, fromJson, type Json, type JsonObject } from '../../proto/index.ts';

const BEHAVIOR = 'skiff.autoscaling.v2.HorizontalPodAutoscalerBehavior';

/** The behavior as the annotation's text. */
export function writeBehavior({ scaleUp, scaleDown }: autoscalingv2.HorizontalPodAutoscalerBehavior): string {
  return JSON.stringify({ ScaleUp: rulesText(scaleUp), ScaleDown: rulesText(scaleDown) });
}

function rulesText(rules: autoscalingv2.HPAScalingRules | undefined): Json {
  if (rules === undefined) return null;
  const { stabilizationWindowSeconds, selectPolicy, policies, tolerance } = rules;
  return {
    StabilizationWindowSeconds: stabilizationWindowSeconds ?? null,
    SelectPolicy: selectPolicy ?? null,
    Policies:
      policies?.map(({ type = '', value = 0, periodSeconds = 0 }) => ({
        Type: type,
        Value: value,
        PeriodSeconds: periodSeconds,
      })) ?? null,
    ...(tolerance === undefined ? {} : { Tolerance: tolerance }),
  };
}

/** The behavior that the text stands for; undefined when it is absent or cannot be read. */
export function readBehavior(text: string | undefined): autoscalingv2.HorizontalPodAutoscalerBehavior | undefined {
  if (text === undefined) return undefined;
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json !== 'object' || json === null || Array.isArray(json)) return undefined;
    const { value, issues } = fromJson<autoscalingv2.HorizontalPodAutoscalerBehavior>(
      BEHAVIOR,
      uncapitalised(json as Json),
    );
    return issues.length > 0 ? undefined : value;
  } catch {
    return undefined;
  }
}

function uncapitalised(json: Json): Json {
  if (Array.isArray(json)) return json.map(uncapitalised);
  if (typeof json !== 'object' || json === null) return json;
  const entries = Object.entries(json as JsonObject).map(([key, value]): [string, Json] => [
    key.slice(0, 1).toLowerCase() + key.slice(1),
    uncapitalised(value),
  ]);
  return Object.fromEntries(entries);
}
