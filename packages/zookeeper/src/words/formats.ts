import type { ZkConnection } from "../connection/zk-connection.js";

/** As Java's Long.toHexString: 64 bits, without leading zeros. */
export function hex(value: bigint): string {
  return BigInt.asUintN(64, value).toString(16);
}

/** As Java shows a double that was rounded to four places. */
export function fraction(value: number): string {
  const rounded = Math.round(value * 10_000) / 10_000;
  return Number.isInteger(rounded) ? `${rounded}.0` : String(rounded);
}

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** As Java's Date.toString, in UTC: Thu Nov 26 10:39:22 UTC 2026. */
export function javaDate(ms: number): string {
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, "0");
  const time = [date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()].map(two).join(":");
  const day = `${DAYS[date.getUTCDay()] ?? ""} ${MONTHS[date.getUTCMonth()] ?? ""}`;
  return `${day} ${two(date.getUTCDate())} ${time} UTC ${date.getUTCFullYear()}`;
}

/** A line of `cons`, or of `stat` (brief). */
export function connectionLine(connection: ZkConnection, isBrief: boolean): string {
  const { stats, remoteAddress, remotePort, session } = connection;
  // The number in brackets is the selector's interest there: 1, it is read; 0, it is not.
  const interest = session !== 0n && !connection.isPaused ? 1 : 0;
  const counts = `queued=${connection.outstanding},recved=${stats.received},sent=${stats.sent}`;
  const head = ` /${remoteAddress}:${remotePort}[${interest}](${counts}`;
  if (isBrief || session === 0n) return `${head})`;
  const { latency } = stats;
  const details = [
    `sid=0x${hex(session)}`,
    `lop=${stats.lastOperation}`,
    `est=${Math.round(connection.openedAtWallTime)}`,
    `to=${connection.sessionTimeoutMs}`,
    ...(stats.lastXid >= 0 ? [`lcxid=0x${stats.lastXid.toString(16)}`] : []),
    `lzxid=0x${hex(stats.lastZxid)}`,
    `lresp=${Math.round(stats.lastResponseAt)}`,
    `llat=${Math.round(stats.lastLatency)}`,
    `minlat=${Math.round(latency.min)}`,
    `avglat=${Math.round(latency.mean)}`,
    `maxlat=${Math.round(latency.max)}`,
  ];
  return `${head},${details.join(",")})`;
}
