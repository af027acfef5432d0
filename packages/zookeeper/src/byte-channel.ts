/** One connection's bytes in both directions, in order: a socket, or the simulator's. */
export interface ByteChannel {
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Written and not taken by the other side (or the kernel). */
  readonly bufferedBytes: number;
  /** Called once, before anything arrives. Nothing arrives from within any call of this port. */
  attach(handler: ByteHandler): void;
  /** Nobody changes the bytes from here on, on either side. Ignored once it is closed. */
  write(bytes: Uint8Array): void;
  /** Nothing more is handed on until `resume`; what was read already may still be. */
  pause(): void;
  resume(): void;
  /** Sends what was written, then closes; `onClosed` follows, within a bound. */
  end(): void;
  /** Closes at once; `onClosed` follows. */
  destroy(): void;
}

export interface ByteHandler {
  /** Valid until the call returns. */
  onData(bytes: Uint8Array): void;
  /** `bufferedBytes` went down. At least once after it has become 0. */
  onDrain(): void;
  /** Once, whoever closed it. */
  onClosed(): void;
}
