// streams
export { openConnection, openUnixConnection, type StreamLimit, streamsOver } from "./streams/connections.js";
export { startServer, startUnixServer } from "./streams/servers.js";
export type { ConnectionHandler } from "./streams/stream-protocol.js";
export { type FlowControl, type Separator, StreamReader, type StreamReaderOptions } from "./streams/stream-reader.js";
export { ReaderCursor } from "./streams/reader-cursor.js";
export { StreamWriter } from "./streams/stream-writer.js";
// transports and protocols
export { connectAcceptedSocket, createConnection, createUnixConnection } from "./transports/create-connection.js";
export { createServer, createUnixServer } from "./transports/create-server.js";
export type { ClientTlsOptions, ConnectOptions } from "./transports/connect.js";
export { type ListeningSocket, Server, type ServerOptions } from "./transports/server.js";
export { startTls, type StartTlsOptions } from "./transports/start-tls.js";
export type { ExtraInfo } from "./transports/extra-info.js";
export type { Protocol } from "./transports/protocol.js";
export { Transport } from "./transports/transport.js";
export type { WriteBufferLimits } from "./transports/write-buffer.js";
// datagrams (UDP)
export {
  createDatagramEndpoint,
  type DatagramEndpointOptions,
  type DatagramHost,
} from "./transports/datagram-endpoint.js";
export type { DatagramAddress, DatagramProtocol } from "./transports/datagram-protocol.js";
export { type DatagramExtraInfo, DatagramTransport } from "./transports/datagram-transport.js";
export { connectReadPipe, connectWritePipe } from "./transports/pipes.js";
// subprocesses
export { createSubprocessExec, createSubprocessShell } from "./subprocess/create-subprocess.js";
export { Process } from "./subprocess/process.js";
export type {
  ExecOptions,
  Inherited,
  Piped,
  ShellOptions,
  StdioTarget,
  SubprocessOptions,
} from "./subprocess/subprocess-options.js";
// names and addresses
export { getaddrinfo, type GetaddrinfoOptions, type ResolvedAddress } from "./dns/getaddrinfo.js";
export { getnameinfo, type NameInfo } from "./dns/getnameinfo.js";
// events
export { once } from "./bridges/once.js";
export { Events, on, type OnOptions } from "./bridges/on.js";
// executors
export { toThread } from "./executors/to-thread.js";
export { ThreadPoolExecutor, type ThreadPoolExecutorOptions } from "./executors/thread-pool-executor.js";
export { ProcessPoolExecutor, type ProcessPoolExecutorOptions } from "./executors/process-pool-executor.js";
export { PoolExecutor, type PoolExecutorOptions } from "./executors/pool-executor.js";
export {
  type WorkerFunction,
  workerFunction,
  type WorkerFunctionName,
  type WorkerFunctionOptions,
  type WorkerFunctions,
  workerFunctions,
} from "./executors/worker-function.js";
export { CurrentWork, currentWork } from "./executors/current-work.js";
export { transfer, type Transferable } from "./executors/transfer.js";
export type { ErrorClass } from "./executors/decode-thrown.js";
// signals and programs
export { addSignalHandler, removeSignalHandler } from "./signals/signal-handlers.js";
export { runMain } from "./program/run-main.js";
// errors
export { ConnectionLostError } from "./errors/connection-lost-error.js";
