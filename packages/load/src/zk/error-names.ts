import { ZkError } from "@quorate/zookeeper";

const names = new Map<number, string>(Object.entries(ZkError).map(([name, err]) => [err, name]));

/** What a report calls an error of the wire: ZooKeeper's name for it, or its number. */
export function zkErrorName(err: number): string {
  return names.get(err) ?? `error ${err}`;
}
