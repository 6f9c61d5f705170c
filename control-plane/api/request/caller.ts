/** Who makes a request, as its certificate says. */
export interface Caller {
  /** The certificate's common name, such as `system:node:pi4`. */
  readonly user: string;
  /** The certificate's organizations. */
  readonly groups: readonly string[];
  /** A part of the server itself: it may set what the server owns, and its unknown fields are kept. */
  readonly internal: boolean;
}
