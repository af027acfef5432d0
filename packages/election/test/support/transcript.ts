import { parseTxnid, toEpoch, toNodeId, TXNID_ZERO, type Standing } from "@quorate/protocol";
import { formatVote } from "../../src/format-vote.js";
import type { ElectionState } from "../../src/index.js";
import { BallotNetwork, type Flight } from "./ballot-network.js";

const MARK = "----";

/**
 * Runs a conversation: blocks of one command, a line `----` and all that followed from it. Returns
 * the same text with what did follow. The network moves nothing by itself.
 *
 * - `nodes N [ID:k=v,k=v ...]`  N voters; keys: epoch, logged, committed, standing
 * - `boot ID [k=v,...]`         opens the site anew; `boot ID solicit` one that only asks
 * - `start ID ...`              starts elections
 * - `deliver [FROM>TO]`         delivers all in flight, and what that causes, till none is left;
 *                               with a pair, only what is in flight between these two now
 * - `drop [FROM>TO]`            loses what is in flight
 * - `replay NUMBER`             delivers a recorded datagram once more
 * - `tick MS`                   lets time pass
 * - `unreachable ID PEER`, `epoch ID N`, `close ID`   calls into a site
 */
export async function runTranscript(text: string): Promise<string> {
  const session = new Session();
  const output: string[] = [];
  for (const block of text.trimEnd().split(/\n\n+/)) {
    const lines = block.split("\n");
    const at = lines.findIndex((line) => !line.startsWith("#"));
    const command = lines[at];
    output.push(...lines.slice(0, at < 0 ? lines.length : at));
    if (command !== undefined) {
      output.push(command, MARK, ...(await session.run(command)));
    }
    output.push("");
  }
  return output.join("\n");
}

class Session {
  #network = new BallotNetwork({ voters: [1] });
  readonly #flying: Flight[] = [];
  readonly #bootNames = new Map<bigint, string>([[0n, "-"]]);
  readonly #bootCounts = new Map<number, number>();
  readonly #told = new Set<number>();
  #seen = 0;
  #lines: string[] = [];

  async run(command: string): Promise<string[]> {
    this.#lines = [];
    const [verb = "", ...words] = command.split(" ");
    switch (verb) {
      case "nodes":
        this.#open(words);
        break;
      case "boot":
        this.#boot(Number(words[0]), words[1] ?? "");
        break;
      case "start":
        for (const id of words) {
          this.#told.delete(Number(id));
          this.#network.start(Number(id));
        }
        break;
      case "deliver":
        await this.#deliver(words[0]);
        break;
      case "drop":
        this.#take(words[0]).forEach((flight) => this.#say(`lost #${flight.number}`));
        break;
      case "replay":
        this.#replay(Number(words[0]));
        break;
      case "tick":
        await this.#network.clock.advance(Number(words[0]));
        break;
      case "unreachable":
        this.#network.node(Number(words[0])).site.notePeerUnreachable(toNodeId(Number(words[1])));
        break;
      case "epoch":
        this.#network.node(Number(words[0])).site.updateWinningEpoch(toEpoch(Number(words[1])));
        break;
      case "close":
        this.#network.node(Number(words[0])).site.close();
        break;
      default:
        throw new Error(`unknown command: ${command}`);
    }
    await this.#collect();
    return this.#lines;
  }

  #open(words: readonly string[]): void {
    const size = Number(words[0]);
    const ids = Array.from({ length: size }, (_, index) => index + 1);
    this.#network = new BallotNetwork({ voters: ids });
    this.#network.fate = () => [];
    const states = new Map(
      words
        .slice(1)
        .map((word) => word.split(":", 1).concat(word))
        .map(([id = "", word = ""]) => [Number(id), word.slice(id.length + 1)] as const),
    );
    for (const id of ids) this.#network.boot(id, parseState(states.get(id) ?? ""));
  }

  #boot(id: number, word: string): void {
    this.#told.delete(id);
    if (word === "solicit") this.#network.boot(id, {}, true);
    else this.#network.boot(id, parseState(word));
  }

  async #deliver(pair: string | undefined): Promise<void> {
    let flights = this.#take(pair);
    while (flights.length > 0) {
      for (const flight of flights) {
        this.#say(`arrives #${flight.number}`);
        this.#network.deliver(flight);
        await this.#collect();
      }
      flights = pair === undefined ? this.#take(pair) : [];
    }
  }

  #replay(number: number): void {
    const flight = this.#network.sent[number - 1];
    if (flight === undefined) throw new Error(`nothing was sent as #${number}`);
    this.#network.deliver(flight);
  }

  #take(pair: string | undefined): Flight[] {
    const [from, to] = pair?.split(">").map(Number) ?? [];
    const taken = this.#flying.filter(
      (flight) => pair === undefined || (flight.datagram.sender === from && flight.to === to),
    );
    for (const flight of taken) this.#flying.splice(this.#flying.indexOf(flight), 1);
    return taken;
  }

  /** Writes down what was sent and decided since the last look. */
  async #collect(): Promise<void> {
    await this.#network.clock.advance(0);
    for (const flight of this.#network.sent.slice(this.#seen)) {
      this.#flying.push(flight);
      const { bootId, echo, sender, vote } = flight.datagram;
      const route = `${this.#nameBoot(sender, bootId)} -> ${flight.to} knows ${
        this.#bootNames.get(echo) ?? "?"
      }`;
      this.#say(`  #${flight.number} ${route}: ${formatVote(vote)}`);
    }
    this.#seen = this.#network.sent.length;
    for (const node of this.#network.nodes.values()) {
      const { id, result, error } = node;
      if ((result === null && error === null) || this.#told.has(id)) continue;
      this.#told.add(id);
      if (result === null) this.#say(`  node ${id} gave up: ${String(error)}`);
      else {
        const how = result.established ? "found" : "elected";
        this.#say(`  node ${id} ${how} ${result.leader} e${result.epoch} in round ${result.round}`);
      }
    }
  }

  #nameBoot(sender: number, bootId: bigint): string {
    let name = this.#bootNames.get(bootId);
    if (name === undefined) {
      const count = this.#bootCounts.get(sender) ?? 0;
      this.#bootCounts.set(sender, count + 1);
      name = `${sender}${String.fromCharCode(97 + count)}`;
      this.#bootNames.set(bootId, name);
    }
    return name;
  }

  #say(line: string): void {
    this.#lines.push(line);
  }
}

function parseState(text: string): Partial<ElectionState> {
  const fields = new Map(
    text.split(",").map((field): [string, string] => {
      const [key = "", value = ""] = field.split("=");
      return [key, value];
    }),
  );
  const txnid = (key: string) => (fields.has(key) ? parseTxnid(fields.get(key) ?? "") : TXNID_ZERO);
  return {
    standing: (fields.get("standing") ?? "member") as Standing,
    currentEpoch: toEpoch(Number(fields.get("epoch") ?? 0)),
    lastLogged: txnid("logged"),
    lastCommitted: txnid("committed"),
  };
}
