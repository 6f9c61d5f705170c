/** The names that certificates of a cluster carry; apart from the code that makes them, for those who only check. */

/** Group of administrators. */
export const ADMIN_GROUP = 'system:masters';
/** Group of agents. */
export const NODES_GROUP = 'system:nodes';
/** User name of the agent of a node, before the node's name. */
export const NODE_USER_PREFIX = 'system:node:';
/** Common name of the certificate the server calls agents with; agents accept no other. */
export const AGENT_CALLER = 'system:control-plane';
/** Subject alternative name of every server of a cluster and of nothing else: no node may have this name. */
export const SERVER_NAME = 'server.skiff.internal';
