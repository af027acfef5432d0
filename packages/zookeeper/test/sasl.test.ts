import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { ZkOp } from "../src/jute/op-codes.js";
import type { ZkOptions } from "../src/options.js";
import { DigestMd5Exchange, SASL_TOKEN_BYTES_MAX } from "../src/sasl/digest-md5.js";
import { directivesOf } from "../src/sasl/directives.js";
import { bytes, create, Harness, type RawClient, type Reply } from "./support/harness.js";

const EMPTY = new Uint8Array(0);
const USERS = new Map([
  ["bob", "secret"],
  ["super", "adminsecret"],
  ["jürgen", "grün"],
  ["лена", "пароль"],
]);

const text = (token: Uint8Array): string => Buffer.from(token).toString("latin1");

interface Answer {
  readonly user: string;
  readonly password: string;
  readonly realm?: string;
  readonly uri?: string;
  readonly nc?: string;
  readonly cnonce?: string;
  readonly charset?: "utf8" | "latin1";
  readonly authzid?: string;
  /** Appended to the token. */
  readonly more?: string;
}

/** What a client answers to a challenge, written from RFC 2831 and not from the server. */
function answerTo(challenge: string, answer: Answer): Uint8Array {
  const nonce = /nonce="([^"]*)"/.exec(challenge)?.[1] ?? "";
  const { user, password, realm = "zk-sasl-md5", uri = "zookeeper/zk-sasl-md5" } = answer;
  const { nc = "00000001", cnonce = "c0ffee", charset = "utf8" } = answer;
  const md5 = (...parts: (string | Buffer)[]): Buffer =>
    createHash("md5")
      .update(Buffer.concat(parts.map((one) => Buffer.from(one))))
      .digest();
  const hashed = (one: string): Buffer =>
    Buffer.from(one, /[^\0-\xff]/.test(one) ? "utf8" : "latin1");
  const secret = md5(hashed(user), ":", hashed(realm), ":", hashed(password));
  const authzid = answer.authzid === undefined ? "" : `:${answer.authzid}`;
  const ha1 = md5(secret, `:${nonce}:${cnonce}${authzid}`).toString("hex");
  const ha2 = md5(`AUTHENTICATE:${uri}`).toString("hex");
  const response = md5(`${ha1}:${nonce}:${nc}:${cnonce}:auth:${ha2}`).toString("hex");
  return Buffer.from(
    `${charset === "utf8" ? "charset=utf-8," : ""}username="${user}",realm="${realm}",` +
      `nonce="${nonce}",nc=${nc},cnonce="${cnonce}",digest-uri="${uri}",` +
      (answer.authzid === undefined ? "" : `authzid="${answer.authzid}",`) +
      `response=${response},qop=auth${answer.more ?? ""}`,
    charset,
  );
}

function exchange(users: ReadonlyMap<string, string> = USERS): {
  readonly server: DigestMd5Exchange;
  readonly challenge: string;
} {
  const server = new DigestMd5Exchange({
    service: "zookeeper",
    serverName: "zk-sasl-md5",
    users,
    nonce: "OA6MG9tEQGm2hh",
  });
  const first = server.step(EMPTY);
  if (first.kind !== "challenge") throw new Error(first.kind);
  return { server, challenge: text(first.token) };
}

describe("DIGEST-MD5", () => {
  test.each([
    [
      "imap",
      "OA6MG9tEQGm2hh",
      "OA6MHXh6VqTrRk",
      "d388dad90d4bbd760a152321f2143af7",
      "ea40f60335c427b5527b84dbabcdfffd",
    ],
    [
      "acap",
      "OA9BSXrbuRhWay",
      "OA9BSuZWMSpW8m",
      "6084c6db3fede7352c551284490fd0fc",
      "2f0b3d7c3c2e486600ef710726aa2eae",
    ],
  ])("RFC 2831, section 4: the example of %s", (service, nonce, cnonce, response, rspauth) => {
    const serverName = "elwood.innosoft.com";
    const users = new Map([["chris", "secret"]]);
    const server = new DigestMd5Exchange({ service, serverName, users, nonce });
    expect(server.step(EMPTY).kind).toBe("challenge");
    const token =
      `charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="${nonce}",` +
      `nc=00000001,cnonce="${cnonce}",digest-uri="${service}/elwood.innosoft.com",` +
      `response=${response},qop=auth`;
    const done = server.step(bytes(token));
    expect(done).toMatchObject({ kind: "done", user: "chris" });
    expect(done.kind === "done" && text(done.token)).toBe(`rspauth=${rspauth}`);
  });

  // What they and a ZooKeeper 3.8 said to each other.
  test.each([
    [
      "Java's client 3.8.0",
      "gJu/MbVH+sUD4xThYZ/4Gftg9Qr4qEmYvfpNAclL",
      'charset=utf-8,username="bob",realm="zk-sasl-md5",' +
        'nonce="gJu/MbVH+sUD4xThYZ/4Gftg9Qr4qEmYvfpNAclL",nc=00000001,' +
        'cnonce="qhC7/PaOzAFYC0IZYlGhJwJlFBaxKMRxSL1C9KAD",digest-uri="zookeeper/zk-sasl-md5",' +
        'maxbuf=65536,response=76aa1c72ca186d1c4f1b0be35a9027a1,qop=auth,authzid="bob"',
      "38004cb61ad495a0d2f038693ce2ddc6",
    ],
    [
      "kazoo 2.8.0",
      "myZyv1zsKMB5iXDtvqifPUqRTqn8Bna9Pv+wWzUp",
      'qop=auth,realm="zk-sasl-md5",username="bob",' +
        'nonce="myZyv1zsKMB5iXDtvqifPUqRTqn8Bna9Pv+wWzUp",cnonce="5304315164100996",nc=00000001,' +
        'digest-uri="zookeeper/zk-sasl-md5",response=d150098328c5376902ae7ea36fcddffb',
      "001ce2f14bc855bf1797f2d14c996fe1",
    ],
  ])("answers %s as ZooKeeper 3.8 did", (_name, nonce, token, rspauth) => {
    const options = { service: "zookeeper", serverName: "zk-sasl-md5", users: USERS, nonce };
    const server = new DigestMd5Exchange(options);
    const first = server.step(EMPTY);
    expect(first.kind === "challenge" && text(first.token)).toBe(
      `realm="zk-sasl-md5",nonce="${nonce}",charset=utf-8,algorithm=md5-sess`,
    );
    const done = server.step(bytes(token));
    expect(done).toMatchObject({ kind: "done", user: "bob" });
    expect(done.kind === "done" && text(done.token)).toBe(`rspauth=${rspauth}`);
  });

  test("the challenge is that of ZooKeeper 3.8", () => {
    expect(exchange().challenge).toBe(
      'realm="zk-sasl-md5",nonce="OA6MG9tEQGm2hh",charset=utf-8,algorithm=md5-sess',
    );
  });

  test.each<[string, Answer, string]>([
    ["a name and password", { user: "bob", password: "secret" }, "bob"],
    ["what fits ISO 8859-1, in UTF-8", { user: "jürgen", password: "grün" }, "jürgen"],
    ["the same as bytes", { user: "jürgen", password: "grün", charset: "latin1" }, "jürgen"],
    ["what does not fit it", { user: "лена", password: "пароль" }, "лена"],
    ["whom it would act for", { user: "bob", password: "secret", authzid: "super" }, "bob"],
    [
      "what nobody knows, however often",
      { user: "bob", password: "secret", more: ',maxbuf=65536,x="\\"y",x=z' },
      "bob",
    ],
    ["an empty nonce of the client's", { user: "bob", password: "secret", cnonce: "" }, "bob"],
    [
      "any case of the URI",
      { user: "bob", password: "secret", uri: "ZooKeeper/ZK-sasl-md5" },
      "bob",
    ],
  ])("takes %s", (_name, answer, user) => {
    const { server, challenge } = exchange();
    expect(server.step(answerTo(challenge, answer))).toMatchObject({ kind: "done", user });
  });

  const bob = { user: "bob", password: "secret" };
  test.each<[string, Answer, RegExp]>([
    ["another password", { ...bob, password: "Secret" }, /wrong password/],
    ["the password of another", { ...bob, password: "adminsecret" }, /wrong password/],
    ["a name that nobody has", { user: "eve", password: "" }, /wrong password/],
    ["another realm", { ...bob, realm: "other" }, /realm/],
    ["another server", { ...bob, uri: "zookeeper/zk-sasl-md5x" }, /another server/],
    ["another service", { ...bob, uri: "imap/zk-sasl-md5" }, /another server/],
    ["a nonce's second use", { ...bob, nc: "00000002" }, /used before/],
    ["a replicated service", { ...bob, uri: "zookeeper/zk-sasl-md5/x" }, /another server/],
    ["a thing said twice", { ...bob, more: ",qop=auth" }, /cannot be read/],
    ["the same in capitals", { ...bob, more: ",QOP=auth" }, /cannot be read/],
    ["an open quote", { ...bob, more: ',x="y' }, /cannot be read/],
    ["too much", { ...bob, more: `,x="${"y".repeat(SASL_TOKEN_BYTES_MAX)}"` }, /too long/],
  ])("refuses %s", (_name, answer, reason) => {
    const { server, challenge } = exchange();
    const step = server.step(answerTo(challenge, answer));
    expect(step).toMatchObject({
      kind: "failed",
      reason: expect.stringMatching(reason) as unknown,
    });
    // Not even what is right helps now.
    expect(server.step(answerTo(challenge, bob))).toMatchObject({ kind: "failed" });
  });

  test.each([
    ["integrity", "qop=auth-int", /authentication is offered/],
    ["another charset", "charset=utf-16", /charset/],
    ["another case of the charset", "charset=UTF-8", /charset/],
  ])("refuses %s", (_name, directive, reason) => {
    const { server, challenge } = exchange();
    const name = directive.split("=")[0] ?? "";
    const token = text(answerTo(challenge, { ...bob })).replace(
      new RegExp(`${name}=[^,]*`),
      directive,
    );
    expect(server.step(bytes(token))).toMatchObject({
      reason: expect.stringMatching(reason) as unknown,
    });
  });

  test.each(["username", "realm", "nonce", "nc", "cnonce", "digest-uri", "response"])(
    "refuses an answer without %s",
    (name) => {
      const { server, challenge } = exchange();
      const token = text(answerTo(challenge, bob)).replace(
        new RegExp(`(^|,)${name}=("[^"]*"|[^,]*)`),
        "",
      );
      expect(server.step(bytes(token)).kind).toBe("failed");
    },
  );

  test.each([
    ["anything", bytes("x"), "challenge"],
    ["as much as a token may have", new Uint8Array(SASL_TOKEN_BYTES_MAX), "challenge"],
    ["more", new Uint8Array(SASL_TOKEN_BYTES_MAX + 1), "failed"],
  ])("a first token of %s", (_name, token, kind) => {
    const options = { service: "zookeeper", serverName: "zk-sasl-md5", users: USERS, nonce: "n" };
    const server = new DigestMd5Exchange(options);
    const first = server.step(token);
    expect(first.kind).toBe(kind);
    if (first.kind !== "challenge") return;
    expect(server.step(answerTo(text(first.token), bob)).kind).toBe("done");
  });

  test("refuses an answer to another challenge, and a third token", () => {
    const { server } = exchange();
    const other = exchange().challenge.replace("OA6MG9", "XXXXXX");
    expect(server.step(answerTo(other, bob))).toMatchObject({
      reason: "the nonce is another one",
    });
    const once = exchange();
    const answer = answerTo(once.challenge, bob);
    expect(once.server.step(answer).kind).toBe("done");
    expect(once.server.step(answer)).toMatchObject({ reason: "the exchange is over" });
  });

  test("a name that is no UTF-8 although it says so", () => {
    const { server, challenge } = exchange();
    const token = text(answerTo(challenge, bob)).replace('"bob"', '"b\xffb"');
    expect(server.step(Buffer.from(token, "latin1"))).toMatchObject({
      reason: "the name is not UTF-8",
    });
  });

  test("directives may stand apart, and quote what they like", () => {
    expect(directivesOf(' a = "x\\"\\\\,=" ,, B=c,')).toEqual(
      new Map([
        ["a", 'x"\\,='],
        ["b", "c"],
      ]),
    );
    for (const wrong of ["a", "a=", "=b", 'a="b"c', "a=b c=d", 'a="', "a=b\0"]) {
      expect(directivesOf(wrong), wrong).toBeNull();
    }
    expect(directivesOf("")).toEqual(new Map());
  });
});

test("without MD5, as in FIPS mode, nobody is let in, and the reason is told", () => {
  const server = new DigestMd5Exchange({
    service: "zookeeper",
    serverName: "zk-sasl-md5",
    users: USERS,
    nonce: "n",
    md5: null,
  });
  expect(server.step(EMPTY)).toEqual({
    kind: "failed",
    reason: "this server has no MD5 (FIPS mode)",
  });
  expect(server.step(EMPTY)).toMatchObject({ kind: "failed" });
});

const OPTIONS = { saslUsers: USERS };

const sasl = (user: string): unknown => [{ perms: 31, id: { scheme: "sasl", id: user } }];

function offer(client: RawClient, token: Uint8Array | null): Reply {
  return client.call(ZkOp.sasl, { token });
}

function challengeFor(client: RawClient): string {
  return text((offer(client, EMPTY).body as { token: Uint8Array }).token);
}

function logIn(client: RawClient, user: string, password: string): Reply {
  return offer(client, answerTo(challengeFor(client), { user, password }));
}

function loggedIn(harness: Harness, user: string, password: string): RawClient {
  const client = harness.client();
  expect(logIn(client, user, password)).toMatchObject({ err: 0, zxid: 0n });
  return client;
}

describe("a client that logs in by SASL", () => {
  test("is who it says it is, for ACLs and whoAmI", () => {
    const harness = new Harness(OPTIONS);
    const bob = loggedIn(harness, "bob", "secret");
    expect(bob.call(ZkOp.whoAmI).body).toEqual({
      clientInfo: [
        { authScheme: "ip", user: "127.0.0.1" },
        { authScheme: "sasl", user: "bob" },
      ],
    });
    expect(bob.call(ZkOp.create, create("/b", { acl: sasl("bob") })).err).toBe(0);
    const auth = [{ perms: 31, id: { scheme: "auth", id: "" } }];
    expect(bob.call(ZkOp.create, create("/a", { acl: auth })).err).toBe(0);
    expect(bob.call(ZkOp.getAcl, { path: "/a" }).body).toMatchObject({ acl: sasl("bob") });
    expect(bob.call(ZkOp.setAcl, { path: "/b", acl: sasl("jürgen"), version: -1 }).err).toBe(0);
    expect(bob.call(ZkOp.getData, { path: "/b", watch: false }).err).toBe(-102);
    const other = loggedIn(harness, "jürgen", "grün");
    expect(other.call(ZkOp.getData, { path: "/b", watch: false }).err).toBe(0);
    expect(other.call(ZkOp.getData, { path: "/a", watch: false }).err).toBe(-102);
  });

  test("super is every user of the scheme, and no more; a named superuser is everybody", () => {
    const harness = new Harness({ ...OPTIONS, saslSuperUser: "bob" });
    const other = loggedIn(harness, "jürgen", "grün");
    other.call(ZkOp.create, create("/s", { acl: sasl("jürgen") }));
    const none = [{ perms: 31, id: { scheme: "ip", id: "10.0.0.1" } }];
    other.call(ZkOp.create, create("/n", { acl: none }));
    const admin = loggedIn(harness, "super", "adminsecret");
    expect(admin.call(ZkOp.getData, { path: "/s", watch: false }).err).toBe(0);
    expect(admin.call(ZkOp.getData, { path: "/n", watch: false }).err).toBe(-102);
    const bob = loggedIn(harness, "bob", "secret");
    expect(bob.call(ZkOp.getData, { path: "/n", watch: false }).err).toBe(0);
  });

  test.each<[string, Partial<ZkOptions>, number]>([
    ["-115", {}, -115],
    ["-124 where SASL is a must", { requiredSchemes: ["sasl", "x509"] }, -124],
  ])("with a wrong password hears %s and is closed", (_name, options, err) => {
    const harness = new Harness({ ...OPTIONS, ...options });
    const client = harness.client();
    const challenge = challengeFor(client);
    const token = answerTo(challenge, { user: "bob", password: "wrong" });
    const sent = client.channel.sent.length;
    const xid = client.post(ZkOp.sasl, { token });
    client.post(ZkOp.create, create("/behind"));
    harness.clock.settle();
    const expected = Buffer.alloc(24);
    expected.writeInt32BE(20, 0);
    expected.writeInt32BE(xid, 4);
    expected.writeInt32BE(err, 16);
    // No token, in the body that goes with every answer of this op.
    expected.writeInt32BE(-1, 20);
    expect(Buffer.concat(client.channel.sent.slice(sent)).toString("hex")).toBe(
      expected.toString("hex"),
    );
    expect(client.channel.isClosed).toBe(true);
    expect(harness.frontEnd.stats.authFailed).toBe(1);
    expect(harness.client().call(ZkOp.sasl, { token: EMPTY }).err).toBe(0);
  });

  test("is let in where SASL is a must, and nobody else is", () => {
    const harness = new Harness({ ...OPTIONS, requiredSchemes: ["sasl"] });
    const bob = loggedIn(harness, "bob", "secret");
    expect(bob.call(ZkOp.create, create("/b")).err).toBe(0);
    const digest = harness.client();
    digest.post(ZkOp.auth, { type: 0, scheme: "digest", auth: bytes("bob:secret") }, -4);
    expect(digest.settled()).toMatchObject([{ err: 0 }]);
    expect(digest.call(ZkOp.getData, { path: "/", watch: false }).err).toBe(-124);
    expect(digest.channel.isClosed).toBe(true);
  });

  test("has a nonce of its own on each connection", () => {
    const harness = new Harness(OPTIONS);
    const [one, two] = [harness.client(), harness.client()];
    const stolen = answerTo(challengeFor(one), { user: "bob", password: "secret" });
    expect(challengeFor(two)).not.toBe(text(stolen));
    two.post(ZkOp.sasl, { token: stolen });
    harness.clock.settle();
    expect(two.channel.isClosed).toBe(true);
    expect(offer(one, stolen).err).toBe(0);
  });

  test("holds for what it asks right behind it", () => {
    const harness = new Harness(OPTIONS);
    const bob = loggedIn(harness, "bob", "secret");
    bob.call(ZkOp.create, create("/b", { acl: sasl("bob") }));
    const client = harness.client();
    const challenge = challengeFor(client);
    harness.service.isAutomatic = false;
    client.post(ZkOp.create, create("/slow"));
    client.post(ZkOp.sasl, { token: answerTo(challenge, { user: "bob", password: "secret" }) });
    const asked = client.post(ZkOp.setData, { path: "/b", data: bytes("x"), version: -1 });
    harness.service.applyAll();
    const last = client.settled().at(-1);
    expect(last).toMatchObject({ xid: asked, err: 0 });
  });

  test("is told of no token by a node without users, as by a ZooKeeper without a login", () => {
    const client = new Harness().client();
    expect(offer(client, EMPTY)).toMatchObject({ err: 0, zxid: 0n, body: { token: null } });
    expect(client.channel.isClosed).toBe(false);
  });

  test.each([
    ["with users", OPTIONS],
    ["without users", {}],
  ])("with no token at all is closed unanswered by a node %s, as there", (_name, options) => {
    const client = new Harness(options).client();
    client.call(ZkOp.whoAmI);
    const sent = client.channel.sent.length;
    client.post(ZkOp.sasl, { token: null });
    expect(client.channel.isClosed).toBe(true);
    expect(client.channel.sent.slice(sent)).toEqual([]);
  });
});
