import {
  CONTENT_BYTES_MAX,
  CUSTOM_OP_CODE_MIN,
  CUSTOM_REQUEST_MS_MAX,
  CUSTOM_REQUESTS_MAX,
  defaultMsgFactory,
  silentLogger,
  type CustomRequestHandler,
  type ResponseMsg,
} from "@quorate/protocol";
import { describe, expect, test } from "vitest";
import { CustomRequests } from "../src/custom-requests.js";
import { leaderOf, request, VirtualClock } from "./support.js";

const custom = (reqId: number) => request(reqId, CUSTOM_OP_CODE_MIN);

function handlerOf(onNewRequest: CustomRequestHandler["onNewRequest"] = () => undefined) {
  const clock = new VirtualClock();
  const answers: string[] = [];
  let respond: (response: ResponseMsg) => void = () => undefined;
  const requests = new CustomRequests({
    customHandler: { onNewRequest, attach: (to) => void (respond = to ?? (() => undefined)) },
    clock,
    logger: silentLogger,
    factory: defaultMsgFactory,
    onResponse: ({ fid, reqId, error, content }) =>
      void answers.push(`${fid}/${reqId} ${error === "" ? content.length : error}`),
    onRefused: (fid, { reqId }, { code }) => void answers.push(`${fid}/${reqId} ${code}`),
  });
  const answer = (fid: string, reqId: number, bytes = 1): void => {
    respond(defaultMsgFactory.createResponse(fid, BigInt(reqId), "", new Uint8Array(bytes)));
  };
  return { clock, answers, requests, answer };
}

describe("custom requests", () => {
  test("are answered once, each under the node that asked", () => {
    const { requests, answers, answer } = handlerOf();
    requests.take("2", custom(7));
    requests.take("3", custom(7));
    answer("3", 7);
    answer("3", 7);
    answer("9", 7);
    answer("2", 8);
    expect(answers).toEqual(["3/7 1"]);
    answer("2", 7);
    expect(answers).toEqual(["3/7 1", "2/7 1"]);
    expect(requests.isEmpty).toBe(true);
  });

  test("may be answered within the call that brings them", () => {
    const world = handlerOf((fid, { reqId }) => world.answer(fid, Number(reqId)));
    world.requests.take("2", custom(7));
    expect(world.answers).toEqual(["2/7 1"]);
  });

  test("of a handler that throws or rejects are answered with its error, once", async () => {
    const throwing = handlerOf(() => {
      throw new Error("no");
    });
    throwing.requests.take("2", custom(1));
    throwing.answer("2", 1);
    expect(throwing.answers).toEqual(["2/1 no"]);
    const rejecting = handlerOf(() => Promise.reject(new Error("later")));
    rejecting.requests.take("2", custom(1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(rejecting.answers).toEqual(["2/1 later"]);
    const both = handlerOf((fid, { reqId }) => {
      both.answer(fid, Number(reqId));
      throw new Error("too late");
    });
    both.requests.take("2", custom(1));
    expect(both.answers).toEqual(["2/1 1"]);
  });

  test("that are never answered have an unknown outcome after a bound", () => {
    const { requests, answers, answer, clock } = handlerOf();
    requests.take("2", custom(1));
    clock.advance(1000);
    requests.take("2", custom(2));
    clock.advance(CUSTOM_REQUEST_MS_MAX - 1001);
    expect(answers).toEqual([]);
    clock.advance(1);
    expect(answers).toEqual(["2/1 ERR_CLIENT_OUTCOME_UNKNOWN"]);
    clock.advance(1000);
    expect(answers.slice(1)).toEqual(["2/2 ERR_CLIENT_OUTCOME_UNKNOWN"]);
    answer("2", 1);
    expect(answers).toHaveLength(2);
  });

  test("are bounded in number", () => {
    const { requests, answers } = handlerOf();
    for (let i = 0; i < CUSTOM_REQUESTS_MAX; i += 1) requests.take("2", custom(i));
    expect(answers).toEqual([]);
    requests.take("3", custom(0));
    expect(answers).toEqual(["3/0 ERR_SERVER_BUSY"]);
  });

  test("have an answer that no frame could hold replaced by an error", () => {
    const { requests, answers, answer } = handlerOf();
    requests.take("2", custom(1));
    requests.take("2", custom(2));
    answer("2", 1, CONTENT_BYTES_MAX);
    answer("2", 2, CONTENT_BYTES_MAX + 1);
    expect(answers).toEqual([`2/1 ${CONTENT_BYTES_MAX}`, "2/2 the answer is too large"]);
  });

  test("end with the role: nothing is answered any more, no timer is left", () => {
    const { requests, answers, answer, clock } = handlerOf();
    requests.take("2", custom(1));
    requests.close();
    answer("2", 1);
    clock.advance(2 * CUSTOM_REQUEST_MS_MAX);
    expect(answers).toEqual([]);
  });

  test("keep a leader that leaves until they are answered", () => {
    let respond: ((response: ResponseMsg) => void) | null = null;
    const handler: CustomRequestHandler = {
      onNewRequest: () => undefined,
      attach: (to) => void (respond = to),
    };
    const { leader, host, clock } = leaderOf(1, handler);
    leader.queueRequest("1", custom(1));
    let drained = 0;
    leader.drain(() => void (drained += 1));
    clock.advance(0);
    leader.queueRequest("1", custom(2));
    expect([drained, host.answers]).toEqual([0, ["abort 1 2 ERR_SERVER_NOT_READY"]]);
    const answer = defaultMsgFactory.createResponse("1", 1n, "", new Uint8Array());
    (respond as ((response: ResponseMsg) => void) | null)?.(answer);
    clock.advance(0);
    expect([drained, host.answers[1]]).toEqual([1, "respond 1 1 "]);
  });
});
