import { createHmac } from "node:crypto";
import { encodeOperate, NATIVE_OP_CHALLENGE, NATIVE_OP_OPERATE } from "@quorate/codec";
import { operatorTranscript, OPERATOR_CALLER, type NativeReply } from "@quorate/codec";
import { OpCode } from "@quorate/protocol";
import { describe, expect, it } from "vitest";
import { Operator } from "../src/native/operator.js";
import { FakeOp, openTestPort, RawClient, until } from "./support.js";

const SECRET = "a secret of the ensemble";
const NOTHING = new Uint8Array(0);
const content = new Uint8Array([1, 2, 3]);
const importNodes = { op: OpCode.importNodes as number, key: "", content };

/** What became of it: "ok", or the refusal's code. */
function told(reply: NativeReply | undefined): string {
  if (reply === undefined) throw new Error("no reply");
  return reply.ok ? "ok" : reply.error.code;
}

async function ask(client: RawClient, op: number, body: Uint8Array): Promise<NativeReply> {
  const id = client.replies.length + 1;
  client.send({ id, op, key: "", content: body });
  await until(() => client.replies.length === id);
  const reply = client.replies.at(-1);
  if (reply === undefined) throw new Error("no reply");
  return reply;
}

async function challenge(client: RawClient): Promise<Uint8Array> {
  const reply = await ask(client, NATIVE_OP_CHALLENGE, NOTHING);
  if (!reply.ok) throw reply.error;
  return reply.content;
}

function proof(nonce: Uint8Array, what = importNodes, secret = SECRET): Uint8Array {
  return createHmac("sha256", secret).update(operatorTranscript(nonce, what)).digest();
}

const operate = (client: RawClient, with_: Uint8Array, op = importNodes.op, body = content) =>
  ask(client, NATIVE_OP_OPERATE, encodeOperate({ op, proof: with_, content: body }));

describe("the operator of an ensemble with a secret", () => {
  it("proves it, and is nobody that an ACL holds back", async () => {
    await using setup = await openTestPort({ secret: SECRET });
    using client = await RawClient.connect(setup.url);
    expect(told(await operate(client, proof(await challenge(client))))).toBe("ok");
    const bytes = OPERATOR_CALLER.length + content.length;
    expect(setup.server.submitted).toEqual([{ op: OpCode.importNodes, key: "", bytes }]);
  });

  it("is refused without a proof, with a wrong one, and with another's", async () => {
    await using setup = await openTestPort({ secret: SECRET });
    using client = await RawClient.connect(setup.url);
    using other = await RawClient.connect(setup.url);
    // Nothing was asked of the connection yet that a proof could be about.
    const early = await operate(client, proof(new Uint8Array(16)));
    expect(told(early)).toBe("ERR_SERVER_OPERATOR_ONLY");
    const nonce = await challenge(client);
    const elsewhere = await challenge(other);
    const wrong = [
      NOTHING,
      proof(nonce, importNodes, "another secret"),
      proof(nonce, { ...importNodes, op: OpCode.raiseEpoch }),
      proof(nonce, { ...importNodes, content: new Uint8Array([1, 2, 4]) }),
      proof(elsewhere),
    ];
    for (const one of wrong) {
      expect(told(await operate(client, one))).toBe("ERR_SERVER_OPERATOR_ONLY");
    }
    expect(setup.server.submitted).toEqual([]);
  });
});

describe("the operator of an ensemble without a secret", () => {
  it("is whoever is on the node's machine", async () => {
    await using setup = await openTestPort();
    using client = await RawClient.connect(setup.url);
    expect(told(await operate(client, NOTHING))).toBe("ok");
  });

  it("is nobody elsewhere", () => {
    const request = {
      id: 1,
      op: NATIVE_OP_OPERATE,
      key: "",
      content: encodeOperate({ op: OpCode.raiseEpoch, proof: NOTHING, content }),
      linearizable: false,
    };
    for (const address of ["192.0.2.7", "", "127.evil.example"]) {
      const answer = new Operator({ secret: null, isSuper: false }, address).open(request);
      expect(answer).toMatchObject({ code: "ERR_SERVER_OPERATOR_ONLY" });
    }
    expect(
      new Operator({ secret: SECRET, isSuper: true }, "192.0.2.7").open(request),
    ).toMatchObject({
      op: OpCode.raiseEpoch,
    });
    expect(new Operator({ secret: null, isSuper: false }, "::1").open(request)).toMatchObject({
      op: OpCode.raiseEpoch,
    });
  });
});

it("takes an operator's operations from nobody else, and no others of the operator", async () => {
  await using setup = await openTestPort();
  using client = await RawClient.connect(setup.url);
  for (const op of [OpCode.importNodes, OpCode.raiseEpoch]) {
    expect(told(await ask(client, op, content))).toBe("ERR_SERVER_OPERATOR_ONLY");
  }
  for (const op of [FakeOp.write, OpCode.foundEnsemble, OpCode.closeSession, NATIVE_OP_OPERATE]) {
    expect(told(await operate(client, NOTHING, op))).toBe("ERR_SERVER_UNSUPPORTED");
  }
  const cut = encodeOperate({ ...importNodes, proof: new Uint8Array(32) });
  for (const body of [NOTHING, cut.subarray(0, 1), cut.subarray(0, 33)]) {
    expect(told(await ask(client, NATIVE_OP_OPERATE, body))).toBe("ERR_PROTOCOL_DECODE");
  }
});
