/** A validation rule that refuses documents that are too deep or would cost too much. */
import {
  type ASTVisitor,
  type FieldNode,
  GraphQLError,
  Kind,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
} from 'graphql'
import { MillraceError } from '../../core/errors.ts'

export interface DocumentLimits {
  readonly depthMax: number
  readonly costMax: number
}

/** Of each field that runs a query; every other field costs 1. */
const queryCost = 50

interface Weight {
  readonly depth: number
  readonly cost: number
}

const nothing: Weight = { depth: 0, cost: 0 }

export function documentLimits({ depthMax, costMax }: DocumentLimits): ValidationRule {
  return (context: ValidationContext): ASTVisitor => ({
    OperationDefinition(operation) {
      const weigh = new Weigher(context)
      const { depth, cost } = weigh.operation(operation.selectionSet)
      if (depth > depthMax) {
        report(context, `The document is ${depth} levels deep; at most ${depthMax} are allowed.`)
      }
      if (cost > costMax) {
        report(
          context,
          `The document costs ${cost}; at most ${costMax} is allowed. ` +
            `Each view, table and sql field costs ${queryCost}, any other field 1.`,
        )
      }
    },
  })
}

function report(context: ValidationContext, message: string): void {
  const originalError = new MillraceError('QUERY_LIMIT_EXCEEDED', message)
  context.reportError(new GraphQLError(message, { originalError }))
}

/** Weighs each fragment once, so that fragments of fragments stay cheap to weigh. */
class Weigher {
  readonly #context: ValidationContext
  readonly #fragments = new Map<string, Weight>()

  constructor(context: ValidationContext) {
    this.#context = context
  }

  operation(set: SelectionSetNode): Weight {
    return this.#set(set, true)
  }

  #set(set: SelectionSetNode, isRoot: boolean): Weight {
    let depth = 0
    let cost = 0
    for (const selection of set.selections) {
      const weight =
        selection.kind === Kind.FIELD
          ? this.#field(selection, isRoot)
          : selection.kind === Kind.INLINE_FRAGMENT
            ? this.#set(selection.selectionSet, isRoot)
            : this.#fragment(selection.name.value, isRoot)
      depth = Math.max(depth, weight.depth)
      cost += weight.cost
    }
    return { depth, cost }
  }

  /** Introspection reads no data and has a depth limit of its own. */
  #field({ name, selectionSet }: FieldNode, isRoot: boolean): Weight {
    if (name.value.startsWith('__')) return nothing
    const below = selectionSet === undefined ? nothing : this.#set(selectionSet, false)
    const runsQuery = isRoot && name.value !== 'pipelines'
    return { depth: below.depth + 1, cost: below.cost + (runsQuery ? queryCost : 1) }
  }

  #fragment(name: string, isRoot: boolean): Weight {
    const key = `${name} ${isRoot}`
    const known = this.#fragments.get(key)
    if (known !== undefined) return known
    // A fragment that contains itself weighs nothing here and is refused by another rule.
    this.#fragments.set(key, nothing)
    const fragment = this.#context.getFragment(name)
    const weight = fragment ? this.#set(fragment.selectionSet, isRoot) : nothing
    this.#fragments.set(key, weight)
    return weight
  }
}
