import type { WebSocket } from "ws";
import { QuorateError, type NodeId } from "@quorate/protocol";
import type { TransportDeps } from "./deps.js";
import type { HandshakeStep } from "./handshake-machine.js";
import { socketError } from "./socket-error.js";

/** For all of the handshake, from the first packet of the connection. */
export const HANDSHAKE_TIMEOUT_MS = 2000;
/** For a refusal to be taken before its connection is cut. */
const REFUSAL_TIMEOUT_MS = 200;

export interface HandshakeEvents {
  /** The socket's next frame is the first of the pipe: take it over within this call. */
  onAccepted(peer: NodeId): void;
  onRefused(error: QuorateError): void;
}

/** Runs one side's machine over an open socket. Exactly one of the two events follows, once. */
export function runHandshake(
  socket: WebSocket,
  receive: (bytes: Uint8Array) => HandshakeStep,
  deps: TransportDeps,
  events: HandshakeEvents,
): void {
  let isOver = false;
  const detach = (): boolean => {
    if (isOver) return false;
    isOver = true;
    socket.off("message", onMessage);
    socket.off("error", onError);
    socket.off("close", onClose);
    return true;
  };
  const refuse = (error: QuorateError): void => {
    if (!detach()) return;
    closeRefused(socket, deps, error);
    events.onRefused(error);
  };
  const onMessage = (data: unknown, isBinary: boolean): void => {
    if (!isBinary || !(data instanceof Uint8Array)) {
      refuse(new QuorateError("ERR_PROTOCOL_HANDSHAKE", "a text frame"));
      return;
    }
    const step = receive(data);
    if (step.send !== null) socket.send(step.send);
    if (step.error !== null) refuse(step.error);
    else if (step.peer !== null && detach()) events.onAccepted(step.peer);
  };
  const onError = (error: Error): void => {
    refuse(socketError(error));
  };
  const onClose = (): void => {
    refuse(new QuorateError("ERR_PROTOCOL_CLOSED", "closed during the handshake"));
  };
  socket.on("message", onMessage);
  socket.on("error", onError);
  socket.on("close", onClose);
}

/** Lets what was sent leave, then ends the connection. Errors of a socket given up are moot. */
export function closeRefused(socket: WebSocket, deps: TransportDeps, error: QuorateError): void {
  socket.on("error", () => {
    deps.meter.count("peer_refused_socket_errors");
  });
  if (socket.readyState !== socket.OPEN) {
    socket.terminate();
    return;
  }
  const timer = deps.clock.setTimer(REFUSAL_TIMEOUT_MS, () => {
    socket.terminate();
  });
  socket.once("close", () => {
    timer.cancel();
  });
  socket.close(4001, error.code);
}
