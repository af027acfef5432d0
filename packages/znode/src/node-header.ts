/**
 * The header of a node, big-endian, as in a checkpoint's row (see row.ts):
 *   u8 format (1) | u8 0 | u16 bytes of the ACL | u64 czxid | u64 mzxid | u64 pzxid | u64 ctime |
 *   u64 mtime | i32 version | i32 creates | i32 aversion | u64 ephemeral owner
 */
export const HEADER_BYTES = 64;
export const FORMAT_WORD = 1 << 24;
export const HEADER_CZXID = 4;
export const HEADER_MZXID = 12;
export const HEADER_PZXID = 20;
export const HEADER_CTIME = 28;
export const HEADER_MTIME = 36;
export const HEADER_VERSION = 44;
export const HEADER_CREATES = 48;
export const HEADER_AVERSION = 52;
export const HEADER_OWNER = 56;
export const ACL_BYTES_MASK = 0xffff;

export const NO_DATA = new Uint8Array(0);
