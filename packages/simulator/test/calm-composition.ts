import {
  shippedChainHash,
  shippedCodec,
  znodeApplication,
  type Composition,
} from "../src/index.js";
import { primaryBackup } from "./primary-backup.js";

/** For the runner's own tests. */
export const composition: Composition = {
  startServer: primaryBackup("none"),
  hasSessions: false,
  application: znodeApplication,
  codec: shippedCodec,
  chainHash: shippedChainHash,
};
