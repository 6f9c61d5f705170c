/** A node of a picture of a tree. */
export interface TreeNode {
  readonly text: string;
  readonly children: readonly TreeNode[];
}

/**
 * The tree as lines:
 *
 *     Deployment/web
 *     ├─ ReplicaSet/web-5d
 *     │  └─ Pod/web-5d-x1
 *     └─ ReplicaSet/web-4c
 */
export function treeLines(root: TreeNode): string[] {
  return [root.text, ...branches(root.children)];
}

function branches(children: readonly TreeNode[]): string[] {
  return children.flatMap((child, index) => {
    const isLast = index === children.length - 1;
    const [first = '', ...rest] = treeLines(child);
    return [(isLast ? '└─ ' : '├─ ') + first, ...rest.map((line) => (isLast ? '   ' : '│  ') + line)];
  });
}
