/** For `prepareForCreate` of kinds whose status belongs to a controller: a new object has none, whatever was sent. */
export function startWithoutStatus(object: { status?: object | undefined }): void {
  object.status = {};
}
