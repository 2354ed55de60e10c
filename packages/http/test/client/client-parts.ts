import type { Socket } from "node:net";
import type { Coroutine, CursorSource, Future, Source } from "corio";
import * as auths from "../../src/client/auth.js";
import type { Auth } from "../../src/client/auth.js";
import * as connectors from "../../src/client/connector.js";
import type { ConnectorOptions } from "../../src/client/connector.js";
import * as decoders from "../../src/client/decoder.js";
import * as eventSources from "../../src/client/event-source.js";
import type { EventSourceOptions } from "../../src/client/event-source.js";
import * as bodies from "../../src/client/request-body.js";
import type { FormFields, RequestBody } from "../../src/client/request-body.js";
import * as urls from "../../src/client/request-url.js";
import type { QueryParams } from "../../src/client/request-url.js";
import * as serverSentEvents from "../../src/events/server-sent-events.js";
import type { ServerSentEvent } from "../../src/events/server-sent-events.js";

// What a session is made of. The published types do not have it.

const withUrls: object = urls;
export const { RequestUrls } = withUrls as {
  RequestUrls: new (
    base?: string | URL,
  ) => { readonly authorization: string | undefined; resolve(url: string | URL, params?: QueryParams): URL };
};

const withAuths: object = auths;
export const { authorizationOf, takeCredentials } = withAuths as {
  authorizationOf(auth: Auth): string;
  takeCredentials(url: URL): string | undefined;
};

export interface Target {
  readonly protocol: "http:" | "https:";
  readonly hostname: string;
  readonly port: number;
}

interface Route {
  readonly key: string;
  readonly connectTo: Target;
  readonly absoluteForm: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

type OnSocket = (error: Error | null, socket?: Socket) => void;

export interface Opening {
  destroy(): void;
}

export interface Connector {
  route(origin: URL): Route;
  open(target: Target, options: { readonly allowH2: boolean }, callback: OnSocket): Opening;
  openSocket(target: Target, callback: OnSocket): Opening;
}

const withConnectors: object = connectors;
export const { Connector } = withConnectors as { Connector: new (options?: ConnectorOptions) => Connector };

export interface DecoderEvents {
  onData(chunk: Uint8Array): void;
  onEnd(): void;
  onError(error: Error): void;
  onDrain(): void;
}

export interface Decoder {
  write(chunk: Uint8Array): boolean;
  end(): void;
  pause(): void;
  resume(): void;
  destroy(): void;
}

const withDecoders: object = decoders;
export const { acceptEncoding, decoderFor } = withDecoders as {
  readonly acceptEncoding: string;
  decoderFor(contentEncoding: string | undefined): ((events: DecoderEvents) => Decoder) | undefined;
};

export interface PreparedBody {
  readonly body: Buffer | AsyncIterable<Uint8Array> | null;
  readonly contentType: string | undefined;
  readonly length: number | undefined;
  readonly replayable: boolean;
  readonly failure: { readonly error: unknown } | undefined;
  close(): Future<void> | undefined;
}

const withBodies: object = bodies;
export const { prepareBody } = withBodies as {
  prepareBody(options: { body?: RequestBody; json?: unknown; form?: FormFields }): PreparedBody;
};

export interface EventsOptions {
  readonly maxEventSize?: number;
  readonly lastEventId?: string;
  readonly onRetry?: (delay: number) => void;
}

const withEvents: object = serverSentEvents;
export const { eventsOf } = withEvents as {
  eventsOf(source: Source<Uint8Array>, options?: EventsOptions): CursorSource<ServerSentEvent>;
};

export interface EventStream {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly url: string;
  readonly body: Source<Uint8Array>;
  release(): void;
}

const withEventSources: object = eventSources;
export const { reconnectingEvents } = withEventSources as {
  reconnectingEvents(
    connect: (headers: Readonly<Record<string, string>>) => Coroutine<EventStream>,
    options?: EventSourceOptions,
  ): CursorSource<ServerSentEvent>;
};
