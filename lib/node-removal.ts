/**
 * Set on a Node just before it is removed for good (`skiff node rm`), to when that was. An agent whose Node goes registers it again,
 * for it may have been deleted by mistake; one whose Node goes with this annotation does not.
 */
export const REMOVED_ANNOTATION = 'skiff.dev/removed';
