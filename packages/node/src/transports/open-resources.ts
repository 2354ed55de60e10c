import type { EventLoop } from "corio";

/** @internal What is open on behalf of a loop, and must not outlive it. */
export interface OpenResource {
  /** The loop is closed: close at once what is left, and call nobody. */
  _loopClosed(): void;
}

const resources = new WeakMap<EventLoop, Set<OpenResource>>();

/** @internal Sees to it that the resource is closed with its loop. One registration with the loop serves all. */
export function opened(loop: EventLoop, resource: OpenResource): void {
  let open = resources.get(loop);
  if (open === undefined) {
    const all = (open = new Set<OpenResource>());
    resources.set(loop, all);
    loop.onClose(() => {
      for (const left of all) left._loopClosed();
      all.clear();
    });
  }
  open.add(resource);
}

/** @internal */
export function closed(loop: EventLoop, resource: OpenResource): void {
  resources.get(loop)?.delete(resource);
}
