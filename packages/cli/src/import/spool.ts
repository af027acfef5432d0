import { mkdtemp, open, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { QuorateError } from "@quorate/protocol";

/** A place in the spool. */
export interface Piece {
  readonly at: number;
  readonly length: number;
}

/**
 * What was read and is to be written, in a file: memory holds only where it is. The file has no
 * name from the start, so it goes with the process, however that ends; and others never see it.
 */
export class Spool {
  readonly #file: FileHandle;
  #end = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(directory: string): Promise<Spool> {
    const own = await mkdtemp(join(directory, "quorate-import-"));
    try {
      return new Spool(await open(join(own, "spool"), "w+", 0o600));
    } finally {
      await rm(own, { recursive: true, force: true });
    }
  }

  async append(bytes: Uint8Array): Promise<Piece> {
    const at = this.#end;
    this.#end += bytes.length;
    const { bytesWritten } = await this.#file.write(bytes, 0, bytes.length, at);
    if (bytesWritten !== bytes.length) throw spoolFailed();
    return { at, length: bytes.length };
  }

  async read({ at, length }: Piece): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const { bytesRead } = await this.#file.read(bytes, 0, length, at);
    if (bytesRead !== length) throw spoolFailed();
    return bytes;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

function spoolFailed(): QuorateError {
  return new QuorateError("ERR_STORE_IO", "the spool of the import does not hold what was written");
}
