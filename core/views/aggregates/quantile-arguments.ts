/** The quantiles that a call asks for: they must be known when the view is compiled. */
import type { AggregateCall } from './aggregate.ts'

const quantileText = /^(0|1|0?\.\d+|0\.\d+|1\.0*)$/

/** `0.95` or `[0.5, 0.95]` as texts of numbers from 0 to 1. */
export function quantilesOf(
  call: AggregateCall,
  argument: string,
): { readonly isList: boolean; readonly quantiles: readonly string[] } {
  const text = argument.replaceAll(/main\.|list_value|"/g, '')
  const inner = /^[[(](.*)[\])]$/.exec(text)
  const quantiles = (inner?.[1] ?? text).split(',').map((part) => part.trim())
  if (!quantiles.every((quantile) => quantileText.test(quantile))) {
    return call.refuse(
      `${call.name}() is asked for ${argument}`,
      'The quantile must be known when the view is compiled',
      'Write a number from 0 to 1, e.g. 0.95, or a list of them',
    )
  }
  return { isList: inner !== null, quantiles }
}
