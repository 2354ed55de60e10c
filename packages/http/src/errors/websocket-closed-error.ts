import { CorioError } from "corio";

/** A WebSocket is closed: nothing can be sent or received any more. */
export class WebSocketClosedError extends CorioError {
  override readonly name: string = "WebSocketClosedError";
  /** 1000 for an ordinary end, 1006 if the connection broke off. @see https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1 */
  readonly closeCode: number;
  readonly reason: string;

  /** @internal */
  constructor(closeCode: number, reason: string, options?: { cause?: unknown }) {
    super(
      "ERR_CORIO_WEBSOCKET_CLOSED",
      `the WebSocket is closed (${closeCode}${reason === "" ? "" : `, ${reason}`})`,
      options,
    );
    this.closeCode = closeCode;
    this.reason = reason;
  }
}
