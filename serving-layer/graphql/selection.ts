/** Which sub-fields a document selects, so that only those columns are read. */
import { type FieldNode, type GraphQLResolveInfo, Kind, type SelectionSetNode } from 'graphql'

type Fragments = GraphQLResolveInfo['fragments']

/** Names of the fields below `field` of the resolved field; null when `field` is not selected. */
export function selectedBelow(info: GraphQLResolveInfo, field: string): Set<string> | null {
  const found = new Set<string>()
  let isSelected = false
  for (const node of info.fieldNodes) {
    for (const child of fieldsOf(node.selectionSet, info.fragments)) {
      if (child.name.value !== field) continue
      isSelected = true
      for (const { name } of fieldsOf(child.selectionSet, info.fragments)) found.add(name.value)
    }
  }
  return isSelected ? found : null
}

/** Validation has refused fragments that contain themselves. */
function fieldsOf(set: SelectionSetNode | undefined, fragments: Fragments): FieldNode[] {
  return (set?.selections ?? []).flatMap((selection) => {
    if (selection.kind === Kind.FIELD) return [selection]
    if (selection.kind === Kind.INLINE_FRAGMENT) return fieldsOf(selection.selectionSet, fragments)
    return fieldsOf(fragments[selection.name.value]?.selectionSet, fragments)
  })
}
