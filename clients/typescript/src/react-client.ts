/** The client of an application with `useRun` in it, and the provider that gives it to components. */

import {createContext, createElement, type ReactNode, useContext} from 'react'

import {type Client, type ClientOptions, createClient as createBase, type Name, withDefaults} from './client.ts'
import type {Operation, OperationMap} from './events.ts'
import {type Select, type UseRun, type UseRunOptions, useRun} from './use-run.ts'

export type {ClientOptions} from './client.ts'

export interface ReactClient<Ops extends OperationMap<Ops> = Record<string, Operation>> extends Client<Ops> {
  /** A run of an operation, as the hook `useRun` gives it. */
  useRun<Of extends Name<Ops>, Selected>(
    name: Of,
    options: UseRunOptions<Ops[Of]> & Select<Ops[Of], Selected>,
  ): Selected
  useRun<Of extends Name<Ops>>(name: Of, options?: UseRunOptions<Ops[Of]>): UseRun<Ops[Of]>
}

/** A client of the service at `url`. `Ops` is the interface `Operations` that `headway-types` writes. */
export function createClient<Ops extends OperationMap<Ops> = Record<string, Operation>>(
  options?: ClientOptions,
): ReactClient<Ops> {
  const client = createBase<Ops>(options)
  return {
    ...client,
    useRun: (name: Name<Ops>, own?: UseRunOptions) =>
      useRun(client.operationUrl(name), withDefaults(client.options, own)),
  } as ReactClient<Ops>
}

const Context = createContext<unknown>(undefined)

/** Gives a client to the components below it. */
export function HeadwayProvider({client, children}: {client: unknown; children?: ReactNode}): ReactNode {
  return createElement(Context.Provider, {value: client}, children)
}

/** The client that the nearest `HeadwayProvider` gives. Throws `TypeError` where there is none. */
export function useClient<Ops extends OperationMap<Ops> = Record<string, Operation>>(): ReactClient<Ops> {
  const client = useContext(Context)
  if (!client) throw new TypeError('useClient: there is no <HeadwayProvider client={...}> above this component.')
  return client as ReactClient<Ops>
}
