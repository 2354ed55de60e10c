import type { Coroutine } from "../tasks/coroutine.js";

/**
 * Something that is entered before a block and left after it, however the block ends: Python's asynchronous context manager.
 *
 * The declared type of `exit` says whether it may swallow the block's error: one that returns a boolean may (true swallows),
 * and then `within` may return `undefined`; one that returns nothing never does.
 */
export interface Manager<T> {
  /** Begins; what it returns, or what its coroutine returns, is the value that the block gets. */
  enter(): Coroutine<T> | T;
  /** Ends. `error` is what the block threw, or `undefined`. */
  exit(error: unknown): Coroutine<boolean | void> | boolean | void;
}

/**
 * What `within` and `ExitStack` take: a manager, or a native disposable. Native generators are disposable, too; a coroutine
 * is awaited first, and what it gives is entered.
 */
export type Enterable = Manager<unknown> | (Disposable & { readonly throw?: undefined }) | AsyncDisposable;

/** The value that a block gets of a manager; of a native disposable, that is itself. */
export type Entered<M> = M extends { enter(): infer E } ? (E extends Coroutine<infer T> ? T : E) : M;

/** Whether leaving a manager may swallow an error. */
export type Swallows<M> = M extends { exit(error: never): infer X }
  ? true extends (X extends Coroutine<infer R> ? R : X)
    ? true
    : false
  : false;
