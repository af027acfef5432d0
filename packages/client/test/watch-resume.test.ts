import { expect, it } from "vitest";
import {
  decodeRewatch,
  encodeNativeReplies,
  encodeWatched,
  NATIVE_OP_REWATCH,
  NATIVE_OP_WATCH,
  type NativeChange,
} from "@quorate/codec";
import { makeTxnid } from "@quorate/protocol";
import { FakeEndpoint, until } from "./fake-endpoint.js";
import { openClient } from "./support.js";

const CHANGED_AT = makeTxnid(7, 20);

/** One transaction that changes the children of /a and of /b. */
function changed(path: string): NativeChange {
  return { id: 0, change: "childrenChanged", path, txnid: CHANGED_AT };
}

it("hears the rest of a transaction when it is cut off within it (Invariant 9)", async () => {
  await using server = await FakeEndpoint.open(({ op, content }) => {
    if (op === NATIVE_OP_WATCH) return encodeWatched(true);
    if (op === NATIVE_OP_REWATCH) {
      // As a server does: what was changed behind `seen` is told, all else is armed again.
      const { seen, watches } = decodeRewatch(content);
      const missed = seen < CHANGED_AT ? watches : [];
      const told = missed.map(({ path }) => changed(path));
      if (told.length > 0) server.sendRaw(encodeNativeReplies(told));
    }
    return new Uint8Array(0);
  });
  using client = openClient({ servers: [server.url] });
  const heard: string[] = [];
  const watch = async (path: string): Promise<void> => {
    for await (const { kind } of client.watch(path, { kind: "children" })) {
      heard.push(`${path} ${kind}`);
    }
  };
  const watching = Promise.allSettled([watch("/a"), watch("/b")]);
  await until(() => server.requests.filter(({ op }) => op === NATIVE_OP_WATCH).length === 2);
  server.sendRaw(encodeNativeReplies([changed("/a")]));
  await until(() => heard.length === 1);
  server.cut();
  await until(() => {
    client.clock.advance(20);
    return server.requests.some(({ op }) => op === NATIVE_OP_REWATCH);
  });
  await until(() => heard.length === 2);
  await watching;
  expect(heard).toEqual(["/a childrenChanged", "/b childrenChanged"]);
});
