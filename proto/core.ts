/** The messages of the core group, which live in several files. */

export * from './gen/skiff/core/v1/core.ts';
export * from './gen/skiff/core/v1/policy.ts';
export * from './gen/skiff/core/v1/services.ts';
export * from './gen/skiff/core/v1/storage.ts';
export * from './gen/skiff/core/v1/workloads.ts';
