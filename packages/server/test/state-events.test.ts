import { expect, test } from "vitest";
import { toTxnid, type AuthIdentity, type StateListener } from "@quorate/protocol";
import { StateEvents } from "../src/service/state-events.js";

test("who may read what changed is handed on to those within and those outside", () => {
  const heard: string[] = [];
  const listener = (name: string): StateListener => ({
    onNodeChange: (kind, path, _txnid, mayRead) => {
      const ann: readonly AuthIdentity[] = [{ scheme: "digest", id: "ann:x" }];
      heard.push(`${name} ${kind} ${path} ${mayRead?.(ann)} ${mayRead?.([])}`);
    },
    onSessionCreated: () => undefined,
    onSessionClosed: () => undefined,
  });
  const events = new StateEvents(() => true);
  events.listenWithin(listener("within"));
  events.listen(listener("outside"));
  events.onNodeChange("deleted", "/a", toTxnid(1n), (identities) => identities.length > 0);
  expect(heard).toEqual(["within deleted /a true false", "outside deleted /a true false"]);
});
